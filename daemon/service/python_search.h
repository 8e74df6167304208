/* python_search: finds the interpreter of a process, with some patience for one that is just
 * starting. Cold, and may block in the target's memory. */
#ifndef ECHION_DAEMON_SERVICE_PYTHON_SEARCH_H
#define ECHION_DAEMON_SERVICE_PYTHON_SEARCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/python/runtime.h"
#include "daemon/target/process.h"

/* A process whose interpreter has been found. */
struct python_find {
    struct process process;
    struct runtime runtime;
    uint64_t unseen_ns; /* launch: CLOCK_MONOTONIC when it was last seen without one; else 0 */
};

/* A search that another thread can watch and end. Used by the sampling thread. */
struct python_search {
    atomic_bool *stop; /* set by another thread: the search returns OK, and no result */
    _Atomic uint64_t *looking_since; /* CLOCK_MONOTONIC of the look under way, 0 between looks */
    bool follow; /* the process was a Python: be patient while it becomes another one */
};

/* process_open, again while the process is just starting a program. */
STATUS_CHECKED enum status python_search_open(const struct python_search *search, pid_t pid,
                                              struct process *out, struct error *error);

/* The interpreter of the program that runs in `process` now, which is noted in it. Waits a fifth of
 * a second for a Python to show up, and seconds for one that is there to begin to initialise, or
 * after an exec (`follow`). Status as python_search_once. */
STATUS_CHECKED enum status python_search_run(const struct python_search *search,
                                             struct process *process, struct runtime *out,
                                             struct error *error);

/* One look. OK: its interpreter has begun to initialise. TORN: it has not yet, or what was seen
 * makes no sense at this moment; look again. ABSENT: not a Python. UNSUPPORTED: a Python we do not
 * know, and why. GONE, DENIED, CORRUPT, NOMEM, SYS. */
STATUS_CHECKED enum status python_search_once(const struct process *process, struct runtime *out,
                                              struct error *error);

/* For -v: what was found. */
void python_search_explain(const struct process *process, const struct runtime *runtime);

#endif
