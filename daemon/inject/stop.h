/* stop: all threads of a process, stopped together for as long as one function runs. A plain call;
 * any thread, but one stop of a process at a time. Cold: the caller reads and prepares all that can
 * be prepared before, as the target stands still meanwhile.
 *
 * The tracer is a thread of its own that lives for one stop. The kernel undoes everything that
 * PTRACE_SEIZE and PTRACE_INTERRUPT have done when their tracer ends (kernel/ptrace.c,
 * exit_ptrace), however it ends: so a target is left running whether the function returns, a bound
 * is over, or we are killed. A signal that was just being delivered is delivered then. No option is
 * set that could kill a target, and no register is read or written.
 *
 * Threads are stopped only at a moment when all can be (moment.h). Between the last look at a
 * thread and its stop are some microseconds in which it may enter another call; what that answers
 * is the one thing that a target could notice.
 *
 * Each thread that stops sends us SIGCHLD, and is waited for by its id: no other thread of ours may
 * wait for just any child (waitpid(-1)) meanwhile. */
#ifndef ECHION_DAEMON_INJECT_STOP_H
#define ECHION_DAEMON_INJECT_STOP_H

#include <stdint.h>

#include "common/status.h"
#include "daemon/target/process.h"

enum {
    STOP_THREADS_MAX = 4096, /* each needs a descriptor for a moment */
    STOP_SEARCH_MS = 1000,   /* how long a good moment is looked for */
    STOP_WAIT_MS = 20,       /* how long the first stopped thread waits for the last, at most */
};

struct stop_account {
    uint64_t stopped_ns; /* from before the first thread was stopped until all went on again */
    unsigned threads;
    unsigned attempts; /* looks at all threads; the last one was good */
};

/* Runs `work` while all threads stand still; its status is the outcome, its error text its own
 * business. `account` may be NULL. TORN: no good moment came within STOP_SEARCH_MS, a thread did
 * not stop in time, threads came faster than they could be stopped, or the process is stopped by
 * its user. DENIED: somebody else traces it, or the kernel forbids it. UNSUPPORTED, GONE, NOMEM,
 * SYS. In all these cases `work` has not run. */
STATUS_CHECKED enum status stop_run(const struct process *process,
                                    enum status (*work)(void *context), void *context,
                                    struct stop_account *account, struct error *error);

#endif
