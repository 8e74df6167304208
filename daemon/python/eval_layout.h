/* eval_layout: where a CPython of 3.8 to 3.13 keeps who has the GIL and how much deeper a thread
 * may recurse, and who runs its pending calls. One const row per minor and word size; any thread.
 * Cold.
 *
 * Places near the queue of pending calls are given from there, as that is found by calibration. The
 * others lie in structs that no patch release has changed, or are checked where they are used.
 * tests/inject/ compares the rows with installed headers. */
#ifndef ECHION_DAEMON_PYTHON_EVAL_LAYOUT_H
#define ECHION_DAEMON_PYTHON_EVAL_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#define EVAL_LAYOUT_NONE INT32_MAX

struct eval_layout {
    uint8_t minor, word_size;
    int32_t gil_in_runtime; /* struct _gil_runtime_state, from _PyRuntime: 3.9 to 3.11 */
    int32_t gil_from_queue; /* the same, from the queue: 3.8; or, 3.12 on, a pointer to it */
    bool gil_is_pointer;
    int32_t limit_from_queue; /* to 3.10: int recursion_limit */
    uint32_t depth;           /* to 3.10: int PyThreadState.recursion_depth */
    uint32_t remaining;       /* 3.11 on: int recursion_remaining, py_recursion_remaining */
    uint32_t c_remaining;     /* 3.12 on: int c_recursion_remaining */
    /* To 3.11, in PyThreadState: */
    uint32_t tracing;      /* int: a trace or profile function is being called */
    uint32_t profile_func; /* c_profilefunc; then a word each: c_tracefunc, c_profileobj */
    uint32_t use_tracing;  /* whether such functions are called; from 3.10 on that stands at the */
    bool use_tracing_pointed; /* beginning of the C frame to which this points */
    uint8_t tracing_on;       /* what its lowest byte is if they are */
    bool main_runs_calls;     /* to 3.11: nobody else runs the interpreter's pending calls */
    bool calls_slow_others;   /* 3.8: while calls are to be done, the breaker of all is set */
};

/* In struct _gil_runtime_state (Include/internal/pycore_gil.h, 3.8 to 3.13): `unsigned long
 * interval` comes first, then `last_holder`, then the int `locked`, each a word from the other. */
enum { EVAL_GIL_HOLDER_WORDS = 1, EVAL_GIL_LOCKED_WORDS = 2 };

/* NULL if there is none. Static storage. */
const struct eval_layout *eval_layout_find(unsigned minor, unsigned word_size);

#endif
