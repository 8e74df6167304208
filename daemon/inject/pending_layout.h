/* pending_layout: where a CPython of 3.8 to 3.13 keeps its queue of pending calls, and what makes
 * it look there. A plain value; any thread. Offsets are in bytes from `queue`, unless said
 * otherwise. Cold. */
#ifndef ECHION_DAEMON_INJECT_PENDING_LAYOUT_H
#define ECHION_DAEMON_INJECT_PENDING_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

struct pending_layout {
    bool
        in_interpreter; /* the base is the main PyInterpreterState (3.9 on), not _PyRuntime (3.8) */
    uint32_t queue;     /* from that base: struct _pending_calls */
    uint32_t lock;      /* a PyThread_type_lock (pointer to a sem_t), or the byte of a PyMutex */
    bool lock_is_mutex_byte;   /* 3.13 */
    uint32_t count;            /* calls_to_do (3.8-3.12: 0 or 1), npending (3.13) */
    bool counts_all;           /* 3.13: it is the number of calls */
    uint32_t calls;            /* the first slot: {func, arg} or, 3.13, {func, arg, flags} */
    uint32_t slot_size, slots; /* 32 slots; 3.13: 300 */
    uint32_t first, next;      /* int32_t, indices (the latter: `last` or `next`) */
    uint32_t finishing;        /* int, 3.8 only; UINT32_MAX: none */
    bool breaker_in_thread;    /* 3.13: the eval breaker is a word of each PyThreadState */
    uint32_t breaker;          /* of the eval breaker, from the base or from a PyThreadState */
    uint32_t breaker_mask;     /* what is ORed into it; 3.8-3.12: 1 (an int) */
};

#endif
