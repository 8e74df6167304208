/* moment: whether a thread can be stopped now without its noticing. A plain value, apart from the
 * descriptor that each function is given; any thread. Cold.
 *
 * A thread that is stopped leaves the system call it sleeps in. The kernel starts most calls again
 * by themselves; some come back with EINTR instead, although no signal was there (signal(7),
 * "Interruption of system calls and library functions by stop signals"). CPython tries those again,
 * a library in C need not. So only calls are let through that are known to restart, and what is not
 * known is waited out. */
#ifndef ECHION_DAEMON_INJECT_MOMENT_H
#define ECHION_DAEMON_INJECT_MOMENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/target/process.h"

enum moment {
    MOMENT_GOOD,   /* running, or in a call that restarts */
    MOMENT_BAD,    /* in a call that would fail, or that we know nothing of */
    MOMENT_ASLEEP, /* waits for a page: it would not stop before that has come */
};

/* Opens what moment_look reads of a thread; the descriptor is the caller's. DENIED, GONE, SYS;
 * UNSUPPORTED on a kernel that does not tell. */
STATUS_CHECKED enum status moment_open(const struct process *process, pid_t tid, int *fd);

/* What the thread does now, and the number of the call, -1 if none. GONE when it has ended. */
STATUS_CHECKED enum status moment_look(const struct process *process, int fd, enum moment *out,
                                       long *call);

#endif
