#include "daemon/service/process_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/guard.h"

enum {
    LIST_MAX = 16 * 1024, /* bytes read of one thread's list of children */
    LIST_PIECE =
        2048,        /* a shorter piece than this is the last one: the kernel gives a page or so */
    EXE_ROUNDS = 16, /* a program that keeps its size is compared only once in so many rounds */
};

struct tracked {
    struct process_tree_node node;
    int folder;   /* /proc/PID */
    int children; /* /proc/PID/task/PID/children; -1 until it is needed */
    int statm;
    dev_t exe_device;
    ino_t exe_inode;
    unsigned rounds; /* since the program was last compared */
};

struct process_tree {
    struct tracked *tracked[PROCESS_TREE_MAX];
    size_t count, most;
    bool is_short;
    char list[LIST_MAX + 1]; /* what is being read of a list of children */
};

static void tracked_destroy(struct tracked *tracked) {
    guard_fd_close(&tracked->folder);
    guard_fd_close(&tracked->children);
    guard_fd_close(&tracked->statm);
    free(tracked);
}

/* Whether a link to a program cannot be followed because it is another user's (a set-uid program).
 * A zombie and a process that is gone have none. */
static bool is_hidden(int errnum) {
    return errnum == EACCES || errnum == EPERM;
}

/* Starts to track a process; false, with errno, if it has ended or cannot be tracked. */
static bool track(struct process_tree *tree, pid_t pid) {
    char path[64];
    struct stat exe;
    (void)snprintf(path, sizeof path, "/proc/%d", (int)pid);
    GUARD_FD int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    tree->is_short |= folder < 0 && (errno == EMFILE || errno == ENFILE);
    if (folder < 0 || (fstatat(folder, "exe", &exe, 0) != 0 && !is_hidden(errno))) {
        return false;
    }
    struct tracked *tracked = tree->count == tree->most ? NULL : calloc(1, sizeof *tracked);
    if (tracked == NULL) {
        tree->is_short = true;
        errno = ENOMEM;
        return false;
    }
    tracked->node.pid = pid;
    tracked->children = -1;
    tracked->statm = openat(folder, "statm", O_RDONLY | O_CLOEXEC);
    tracked->folder = guard_fd_take(&folder);
    tree->tracked[tree->count++] = tracked;
    return true;
}

static bool is_tracked(const struct process_tree *tree, pid_t pid) {
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->tracked[i]->node.pid == pid) {
            return true;
        }
    }
    return false;
}

/* Tracks the new ones of a list of pids: decimal numbers, each followed by a space. */
static bool track_list(struct process_tree *tree, const char *list) {
    bool changed = false;
    for (;;) {
        char *next = NULL;
        long pid = strtol(list, &next, 10);
        if (next == list) {
            return changed;
        }
        if (pid > 0 && !is_tracked(tree, (pid_t)pid)) {
            changed |= track(tree, (pid_t)pid);
        }
        list = next;
    }
}

static bool track_children_in(struct process_tree *tree, int children) {
    char *list = tree->list;
    size_t length = 0;
    for (;;) {
        ssize_t got = pread(children, list + length, LIST_MAX - length, (off_t)length);
        length += got > 0 ? (size_t)got : 0;
        if (got < LIST_PIECE || length == LIST_MAX) {
            break;
        }
    }
    while (length > 0 && list[length - 1] != ' ') { /* each number is followed by one */
        length--;
    }
    list[length] = '\0';
    return track_list(tree, list);
}

/* Each thread has the children that it forked itself. */
static bool track_children_of_threads(struct process_tree *tree, const struct tracked *tracked) {
    bool changed = false;
    int tasks = openat(tracked->folder, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    GUARD_DIR DIR *folder = tasks < 0 ? NULL : fdopendir(tasks);
    if (folder == NULL) {
        guard_fd_close(&tasks);
        return false;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[NAME_MAX + sizeof "/children"];
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/children", entry->d_name);
        GUARD_FD int children = openat(tasks, path, O_RDONLY | O_CLOEXEC);
        if (children >= 0) {
            changed |= track_children_in(tree, children);
        }
    }
    return changed;
}

static bool track_children(struct process_tree *tree, struct tracked *tracked) {
    struct stat tasks;
    if (fstatat(tracked->folder, "task", &tasks, 0) != 0) {
        return false;
    }
    if (tasks.st_nlink > 3) { /* one for each thread, besides the folder's own two */
        return track_children_of_threads(tree, tracked);
    }
    if (tracked->children < 0) {
        char path[64];
        (void)snprintf(path, sizeof path, "task/%d/children", (int)tracked->node.pid);
        tracked->children = openat(tracked->folder, path, O_RDONLY | O_CLOEXEC);
        if (tracked->children < 0) {
            return false;
        }
    }
    return track_children_in(tree, tracked->children);
}

/* Takes in what the process is now. False when it has ended. Another program has another size, but
 * for a rare chance; following the link to it costs more than all the rest. */
static bool refresh(struct tracked *tracked, bool *changed) {
    char text[32];
    ssize_t got = tracked->statm < 0 ? -1 : pread(tracked->statm, text, sizeof text - 1, 0);
    uint64_t pages = 0;
    if (got > 0) {
        text[got] = '\0';
        pages = strtoull(text, NULL, 10);
    }
    if (pages != 0 && pages == tracked->node.pages && ++tracked->rounds < EXE_ROUNDS) {
        return true;
    }
    tracked->node.pages = pages;
    tracked->rounds = 0;
    struct stat exe;
    if (fstatat(tracked->folder, "exe", &exe, 0) != 0) {
        return is_hidden(errno);
    }
    if (exe.st_dev != tracked->exe_device || exe.st_ino != tracked->exe_inode) {
        tracked->exe_device = exe.st_dev;
        tracked->exe_inode = exe.st_ino;
        tracked->node.execs++;
        *changed = true;
    }
    return true;
}

enum status process_tree_create(pid_t root, size_t most, struct process_tree **out,
                                struct error *error) {
    struct process_tree *tree = calloc(1, sizeof *tree);
    if (tree == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    tree->most = most < PROCESS_TREE_MAX ? most : PROCESS_TREE_MAX;
    if (!track(tree, root)) {
        enum status status = status_from_errno(errno);
        free(tree);
        return error_set(error, status, "cannot watch process %d: %s", (int)root, strerror(errno));
    }
    *out = tree;
    return STATUS_OK;
}

void process_tree_destroy(struct process_tree *tree) {
    if (tree == NULL) {
        return;
    }
    for (size_t i = 0; i < tree->count; i++) {
        tracked_destroy(tree->tracked[i]);
    }
    free(tree);
}

bool process_tree_round(struct process_tree *tree, void (*forget)(struct process_tree_node *node)) {
    bool changed = false;
    size_t kept = 0;
    size_t known = tree->count;
    for (size_t i = 0; i < known; i++) {
        struct tracked *tracked = tree->tracked[i];
        if (!tracked->node.cut) {
            changed |= track_children(tree, tracked);
        }
    }
    for (size_t i = 0; i < tree->count; i++) {
        struct tracked *tracked = tree->tracked[i];
        if (refresh(tracked, &changed)) {
            tree->tracked[kept++] = tracked;
        } else {
            changed = true;
            forget(&tracked->node);
            tracked_destroy(tracked);
        }
    }
    tree->count = kept;
    return changed;
}

size_t process_tree_count(const struct process_tree *tree) {
    return tree->count;
}

struct process_tree_node *process_tree_node(struct process_tree *tree, size_t index) {
    return &tree->tracked[index]->node;
}

bool process_tree_is_short(const struct process_tree *tree) {
    return tree->is_short;
}

bool process_tree_sees_children(void) {
    return access("/proc/thread-self/children", R_OK) == 0;
}
