/* thread_clock: the CPU accounting of one kernel thread. HOT: thread_clock_read is one pread,
 * nothing else. Owns a descriptor; belongs to one thread at a time.
 *
 * The source is /proc/PID/task/TID/schedstat (the kernel's
 * Documentation/scheduler/sched-stats.rst): nanoseconds on a CPU and on a run queue, and how often
 * it was put on a CPU. The kernel brings the first one up to date when the thread leaves the CPU
 * and at each of its own ticks, so a thread that keeps running is accounted in lumps of 1 to 10 ms.
 * Two equal readings of `slices` and `runtime_ns` with the thread not running in between prove that
 * it did not run. */
#ifndef ECHION_DAEMON_TARGET_THREAD_CLOCK_H
#define ECHION_DAEMON_TARGET_THREAD_CLOCK_H

#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/target/process.h"

struct thread_clock {
    int fd;
};

#define THREAD_CLOCK_NONE ((struct thread_clock){.fd = -1})

/* By the thread's id in our PID namespace. GONE: no such thread; ABSENT: the kernel does not
 * account (no CONFIG_SCHED_INFO); NOMEM, SYS (too many open files). Cold. */
STATUS_CHECKED enum status thread_clock_open(const struct process *process, pid_t tid,
                                             struct thread_clock *out);

/* Accepts THREAD_CLOCK_NONE, and leaves it. */
void thread_clock_close(struct thread_clock *clock);

/* HOT. CPU time in nanoseconds since the thread began, and the number of times it was put on a CPU.
 * GONE when it has ended; outputs are untouched on failure. */
STATUS_CHECKED enum status thread_clock_read(const struct thread_clock *clock, uint64_t *runtime_ns,
                                             uint64_t *slices);

#endif
