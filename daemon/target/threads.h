/* threads: the kernel threads of a process at one moment (/proc/PID/task). Owns its memory; belongs
 * to one thread. Cold. */
#ifndef ECHION_DAEMON_TARGET_THREADS_H
#define ECHION_DAEMON_TARGET_THREADS_H

#include <stddef.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/target/process.h"

/* More than any machine runs in one process (kernel.pid_max allows 4 million in all). */
enum { THREADS_MAX = 1 << 16 };

struct kernel_thread {
    pid_t tid;     /* in our PID namespace */
    pid_t own_tid; /* as the target sees it: what gettid() answers there, and Python keeps */
};

struct threads {
    struct kernel_thread *items; /* by tid */
    size_t count;
    size_t capacity;
};

#define THREADS_NONE ((struct threads){0})

/* Lists them anew, in the memory that `threads` has from before. Threads that end meanwhile may or
 * may not be among them. For a target in a PID namespace of its own this reads one file per thread
 * that was not listed before. GONE, NOMEM (also beyond THREADS_MAX), SYS; the list is then as it
 * was. */
STATUS_CHECKED enum status threads_list(const struct process *process, struct threads *threads);

/* Accepts THREADS_NONE. */
void threads_deinit(struct threads *threads);

/* The thread that the target knows by this id; NULL if there is none. */
const struct kernel_thread *threads_find_own(const struct threads *threads, pid_t own_tid);

#endif
