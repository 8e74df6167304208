/* pending_layout: where a CPython of 3.8 to 3.13 has its queue of pending calls, and whether a
 * target's memory looks like one there. A plain value; any thread. Cold, and can block as long as
 * memory_read can.
 *
 * The rows are a PREDICTION, measured in the headers of some patch releases (tests/layout): where
 * the queue lies has moved between patch releases, and the check below cannot prove that it has
 * not. Nothing may be written on the strength of a row and the check alone. */
#ifndef ECHION_DAEMON_INJECT_PENDING_LAYOUT_H
#define ECHION_DAEMON_INJECT_PENDING_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/target/mappings.h"
#include "daemon/target/memory.h"

#define PENDING_LAYOUT_NONE UINT32_MAX /* there is no such member */

/* Offsets are in bytes from `queue` unless said otherwise. */
struct pending_layout {
    bool
        in_interpreter; /* the base is the main PyInterpreterState (3.9 on), otherwise _PyRuntime */
    uint32_t queue;     /* from that base: struct _pending_calls */
    uint32_t lock;      /* a PyThread_type_lock (pointer to a sem_t); 3.13: a PyMutex's byte */
    bool lock_is_mutex_byte;
    uint32_t count;  /* calls_to_do (3.8 to 3.12: 0 or 1), npending (3.13) */
    bool counts_all; /* 3.13: it is the number of calls */
    uint32_t calls;  /* the first slot: {func, arg} or, 3.13, {func, arg, flags} */
    uint32_t slot_size, slots;
    uint32_t first, next;   /* int32 indices; `next` is called `last` before 3.13 */
    uint32_t max;           /* 3.13: an int32 that holds `slots`; otherwise none */
    uint32_t finishing;     /* 3.8: an int; otherwise none */
    bool breaker_in_thread; /* 3.13: the eval breaker is a word of each PyThreadState */
    uint32_t breaker;       /* eval_breaker, from the base or from a PyThreadState */
    uint32_t breaker_mask;  /* what is ORed in */
};

/* The row of CPython 3.`minor`; NULL if there is none. */
const struct pending_layout *pending_layout_find(unsigned minor, unsigned word_size);

/* Whether what lies at `base` can be the queue, and is at rest: its indices in range and agreeing
 * with the count, its lock a free one, each waiting call's function in executable memory.
 * Necessary, not sufficient. TORN: it is in motion, or finishing; later. CORRUPT: that is no queue.
 * GONE, DENIED, NOMEM, SYS. */
STATUS_CHECKED enum status pending_layout_check(const struct pending_layout *layout,
                                                const struct memory *memory,
                                                const struct mappings *mappings, struct raddr base,
                                                struct error *error);

#endif
