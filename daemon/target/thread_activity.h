/* thread_activity: what the kernel says that one thread does at this moment. A plain value; any
 * thread. Cold: two or three files of /proc, none of which waits for the target's memory.
 *
 * The system call of a thread that sleeps comes from /proc/PID/task/TID/syscall, by the numbering
 * of the target's word size. */
#ifndef ECHION_DAEMON_TARGET_THREAD_ACTIVITY_H
#define ECHION_DAEMON_TARGET_THREAD_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/target/process_stat.h"

enum { THREAD_ACTIVITY_ARGUMENTS = 6 };

struct thread_activity {
    char comm[PROCESS_STAT_COMM_MAX]; /* the kernel's name for it, printable */
    char state;                       /* as in process_stat */
    bool in_call;                     /* it sleeps in a system call; only then: */
    int64_t call;                     /* its number */
    uint64_t arguments[THREAD_ACTIVITY_ARGUMENTS];
};

/* Reads it beneath an open /proc/PID, for one of its threads by its id in our PID namespace. What
 * we may not see of the system call is left out. GONE: the thread has ended. SYS, CORRUPT. */
STATUS_CHECKED enum status thread_activity_read(int dir, pid_t tid, struct thread_activity *out);

/* Whether it sleeps in a futex, i.e. until another thread wakes it: the futex's address, and
 * whether it gives up after some time. */
bool thread_activity_futex(const struct thread_activity *activity, unsigned word_size,
                           uint64_t *address, bool *timed);

#endif
