#include "daemon/service/where.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/service/clock.h"
#include "daemon/service/exit_status.h"
#include "daemon/service/notice.h"
#include "daemon/service/process_tree.h"
#include "daemon/service/python_search.h"
#include "daemon/service/read_watch.h"
#include "daemon/service/where_detail.h"
#include "daemon/service/where_json.h"
#include "daemon/service/where_scene.h"
#include "daemon/service/where_text.h"
#include "daemon/target/threads.h"

/* read_watch takes ten of them: what /proc tells is to be there within a second. */
enum { LOOK_MS = 80, HEAP_STEP = 4 << 20, ROUNDS_MAX = 16 };

/* One process, looked at by a thread of its own. Main reads what it made once it has rung. */
struct look {
    pid_t pid;
    struct where_style style;
    bool json, locals;
    bool patient;     /* it is waited for a Python to show up */
    int done;         /* an eventfd */
    atomic_bool stop; /* never set: the search asks for one */
    _Atomic uint64_t searching, since;
    _Atomic pid_t tid;
    char *text;
    size_t size;
    enum status status;
    struct error error;
};

/* The command. */
struct where {
    struct where_style style;
    bool json, locals;
    unsigned shown; /* processes */
    bool stuck;     /* a look hangs for good */
};

static void scene_destroy(struct where_scene **scene) {
    where_scene_destroy(*scene);
}

/* Looks at the threads of a Python, and writes what is to be said of them. */
static enum status python_describe(struct look *look, const struct process *process,
                                   const struct runtime *runtime, struct error *error) {
    __attribute__((cleanup(scene_destroy))) struct where_scene *scene = NULL;
    __attribute__((cleanup(where_detail_deinit))) struct where_detail detail = {.lines = NULL};
    enum status status = where_scene_create(process, runtime, &scene, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = where_detail_init(&detail, scene, look->locals);
    FILE *out = status == STATUS_OK ? open_memstream(&look->text, &look->size) : NULL;
    if (out == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    if (look->json) {
        where_json_process(out, scene, &detail);
    } else {
        where_text_process(out, scene, &look->style);
        where_text_deadlocks(out, scene, &look->style);
        where_text_threads(out, scene, &detail, &look->style);
    }
    return fclose(out) == 0 ? STATUS_OK : error_set(error, STATUS_NOMEM, "out of memory");
}

static enum status process_describe(struct look *look, struct error *error) {
    const struct python_search search = {.stop = &look->stop, .looking_since = &look->searching};
    struct process process = PROCESS_NONE;
    struct runtime runtime;
    enum status status = python_search_open(&search, look->pid, &process, error);
    if (status == STATUS_OK && look->patient) {
        status = python_search_run(&search, &process, &runtime, error);
    } else if (status == STATUS_OK) {
        atomic_store(&look->searching, clock_now_ns());
        status = python_search_once(&process, &runtime, error);
        atomic_store(&look->searching, 0);
    }
    if (status == STATUS_OK) {
        python_search_explain(&process, &runtime);
        atomic_store(&look->since, clock_now_ns());
        status = python_describe(look, &process, &runtime, error);
        atomic_store(&look->since, 0);
    }
    process_close(&process);
    return status;
}

static void *look_run(void *context) {
    struct look *look = context;
    atomic_store(&look->tid, gettid());
    look->status = process_describe(look, &look->error);
    (void)eventfd_write(look->done, 1);
    return NULL;
}

/* Waits until the look has been taken; false when it hangs in the target's memory or files. */
static bool look_wait(struct look *look) {
    struct read_watch watch = {.since_ns = 0};
    for (;;) {
        struct pollfd done = {.fd = look->done, .events = POLLIN};
        if (poll(&done, 1, LOOK_MS) == 1) {
            return true;
        }
        uint64_t since = atomic_load(&look->since);
        since = since == 0 ? atomic_load(&look->searching) : since;
        if (read_watch_look(&watch, atomic_load(&look->tid), since)) {
            return false;
        }
    }
}

/* What /proc tells where the memory does not answer, in which nothing waits for that. */
static void kernel_describe(const struct look *look) {
    char path[64];
    struct process process = PROCESS_NONE;
    struct threads threads = THREADS_NONE;
    (void)snprintf(path, sizeof path, "/proc/%d", look->pid);
    GUARD_FD int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    process.pid = look->pid;
    process.dir = dir;
    if (dir < 0 || threads_list(&process, &threads) != STATUS_OK) {
        return;
    }
    if (look->json) {
        where_json_kernel_begin(stdout, look->pid);
    } else {
        (void)printf("Process %d, by what the kernel says of its threads:\n", look->pid);
    }
    bool first = true;
    for (size_t i = 0; i < threads.count; i++) {
        pid_t tid = threads.items[i].tid;
        struct thread_activity activity;
        if (thread_activity_read(dir, tid, &activity) != STATUS_OK) {
            continue;
        }
        if (look->json) {
            where_json_kernel_thread(stdout, tid, &activity, sizeof(void *), first);
        } else {
            where_text_kernel(stdout, tid, &activity, sizeof(void *), &look->style);
        }
        first = false;
    }
    if (look->json) {
        where_json_kernel_end(stdout);
    }
    threads_deinit(&threads);
}

static void look_destroy(struct look *look) {
    if (look->done >= 0) {
        (void)close(look->done);
    }
    free(look->text);
    free(look);
}

/* What stands before a process: in JSON they are the items of a list. */
static void gap_write(struct where *where) {
    if (where->json) {
        (void)printf("%s", where->shown == 0 ? "{\"version\": 1, \"processes\": [\n  " : ",\n  ");
    } else {
        (void)printf("%s", where->shown == 0 ? "" : "\n");
    }
    where->shown++;
}

/* Looks at one process, and prints what came of it. Unless it is the one that was asked for, it
 * says nothing of one that is no Python. */
static int process_show(struct where *where, pid_t pid, bool asked) {
    struct look *look = calloc(1, sizeof *look);
    pthread_t thread;
    if (look == NULL) {
        notice_say("out of memory");
        return EXIT_STATUS_SYSTEM;
    }
    look->pid = pid;
    look->style = where->style;
    look->json = where->json;
    look->locals = where->locals;
    look->patient = asked;
    look->done = eventfd(0, EFD_CLOEXEC);
    if (look->done < 0 || pthread_create(&thread, NULL, look_run, look) != 0) {
        notice_say("cannot start a thread: %s", strerror(errno));
        look_destroy(look);
        return EXIT_STATUS_SYSTEM;
    }
    if (!look_wait(look)) {
        where->stuck = true; /* its thread goes on with the look */
        gap_write(where);
        kernel_describe(look);
        notice_say("the memory of process %d does not answer: its Python stacks cannot be read",
                   (int)pid);
        return EXIT_STATUS_NO_ANSWER;
    }
    (void)pthread_join(thread, NULL);
    int exit_status = (int)exit_status_of_target(look->status);
    if (look->status == STATUS_OK) {
        gap_write(where);
        (void)fwrite(look->text, 1, look->size, stdout);
    } else if (asked) {
        notice_say("%s", look->error.text);
    } else {
        notice_explain("%s", look->error.text);
    }
    look_destroy(look);
    return exit_status;
}

static void node_forget(struct process_tree_node *node) {
    (void)node;
}

/* The process and what is below it. All of those that are Pythons are shown, and what the process
 * itself is matters only if there are none. */
static int family_show(struct where *where, pid_t pid) {
    struct process_tree *tree = NULL;
    struct error error;
    enum status status = process_tree_create(pid, PROCESS_TREE_MAX, &tree, &error);
    if (status != STATUS_OK) {
        notice_say("%s", error.text);
        return (int)exit_status_of_target(status);
    }
    for (unsigned i = 0; i < ROUNDS_MAX && process_tree_round(tree, node_forget); i++) {
    }
    int exit_status = EXIT_STATUS_OK;
    for (size_t i = 0; i < process_tree_count(tree); i++) {
        int one = process_show(where, process_tree_node(tree, i)->pid, false);
        exit_status = one == EXIT_STATUS_NO_ANSWER ? one : exit_status;
    }
    process_tree_destroy(tree);
    return where->shown > 0 ? exit_status : process_show(where, pid, true);
}

/* NO_COLOR: https://no-color.org. */
static bool wants_colour(void) {
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && (no_colour == NULL || *no_colour == '\0') &&
           terminal != NULL && strcmp(terminal, "dumb") != 0;
}

/* The look's thread would have a heap of its own, which glibc enlarges by a system call for every
 * few pages: as many as there are threads to look at. */
static void heap_prepare(void) {
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_TOP_PAD, HEAP_STEP);
}

int where_run(const struct options *options, bool *stuck) {
    struct where where = {
        .style = {.colour = wants_colour(), .expand = options->verbose || options->locals},
        .json = options->json,
        .locals = options->locals,
    };
    if (kill(options->pid, 0) != 0 && errno == ESRCH) {
        notice_say("there is no process %d: pgrep -a python lists those there are",
                   (int)options->pid);
        return EXIT_STATUS_NO_PROCESS;
    }
    heap_prepare();
    int exit_status = options->children ? family_show(&where, options->pid)
                                        : process_show(&where, options->pid, true);
    *stuck = where.stuck;
    if (where.json && where.shown > 0) {
        (void)printf("]}\n");
    }
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        notice_say("cannot write to standard output: %s", strerror(errno));
        return EXIT_STATUS_WRITE;
    }
    return exit_status;
}
