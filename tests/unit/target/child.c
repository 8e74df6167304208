#include "child.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct child child_fork(void (*setup)(void *), void *context) {
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setup != NULL) {
            setup(context);
        }
        (void)!write(ends[1], "", 1);
        for (;;) {
            (void)pause();
        }
    }
    (void)close(ends[1]);
    char byte;
    cr_assert_eq(read(ends[0], &byte, 1), 1, "the child ended before it was ready");
    return (struct child){.pid = pid, .ready = ends[0]};
}

struct child child_exec(const char *const *arguments) {
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execv(arguments[0], (char **)(uintptr_t)arguments);
        (void)!write(ends[1], "", 1);
        _exit(127);
    }
    (void)close(ends[1]);
    char byte;
    cr_assert_eq(read(ends[0], &byte, 1), 0, "%s cannot be run", arguments[0]);
    return (struct child){.pid = pid, .ready = ends[0]};
}

void child_end(struct child *child) {
    cr_assert_eq(kill(child->pid, SIGKILL), 0);
    int status = 0;
    pid_t ended = waitpid(child->pid, &status, 0);
    cr_assert_eq(ended, child->pid, "waitpid(%d): %d, %s", child->pid, ended, strerror(errno));
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    (void)close(child->ready);
}

struct process child_open(const struct child *child) {
    struct process process = PROCESS_NONE;
    struct error error = {.text = ""};
    enum status status = STATUS_TORN;
    for (unsigned i = 0; i < 100 && status == STATUS_TORN; ++i) {
        status = process_open(child->pid, &process, &error);
    }
    cr_assert_eq(status, STATUS_OK, "%s", error.text);
    return process;
}

static char folder[64];
static pid_t folder_owner;

static int entry_remove(const char *path, const struct stat *stat, int type, struct FTW *at) {
    (void)stat;
    (void)type;
    (void)at;
    (void)remove(path);
    return 0;
}

/* At the end of the test's process; not of its children. */
static void folder_remove(void) {
    if (getpid() == folder_owner) {
        (void)nftw(folder, entry_remove, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    }
}

const char *child_path(const char *name) {
    static char path[PATH_MAX];
    if (folder[0] == '\0') {
        (void)snprintf(folder, sizeof folder, "/tmp/echion-test-XXXXXX");
        cr_assert_not_null(mkdtemp(folder));
        (void)chmod(folder, 0755);
        folder_owner = getpid();
        cr_assert_eq(atexit(folder_remove), 0);
    }
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

void child_copy(const char *from, const char *to, mode_t mode) {
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    cr_assert(in >= 0 && out >= 0, "cannot copy %s to %s", from, to);
    char bytes[65536];
    for (ssize_t got; (got = read(in, bytes, sizeof bytes)) > 0;) {
        cr_assert_eq(write(out, bytes, (size_t)got), got);
    }
    cr_assert_eq(fchmod(out, mode), 0);
    (void)close(in);
    (void)close(out);
}
