/* child: a process to look at: a fork that waits, or a program. Owned by one test; ends with it. */
#ifndef ECHION_TESTS_UNIT_TARGET_CHILD_H
#define ECHION_TESTS_UNIT_TARGET_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/target/process.h"

struct child {
    pid_t pid;
    int ready; /* a byte comes, or the end, once it has done what it was to do */
};

/* Forks; the child runs `setup(context)` and waits until it is killed. Returns when it waits. */
struct child child_fork(void (*setup)(void *), void *context);

/* Starts a program and returns once it has been exec'ed. */
struct child child_exec(const char *const *arguments);

/* Kills and collects it. */
void child_end(struct child *child);

/* Opens it, or fails the test. */
struct process child_open(const struct child *child);

/* A path in a fresh folder, which everybody may search and which goes with the test. The text is
 * valid until the next call. */
const char *child_path(const char *name);

/* Copies a file, as `mode` says. */
void child_copy(const char *from, const char *to, mode_t mode);

#endif
