/* print_pending: measures where the queue of pending calls lies in the headers that it is compiled
 * with, and writes it as `name=value` lines, in the names of struct pending_layout.
 *
 * Compiled once per installed CPython and word size by check_pending.py. Cold; no owner but the
 * test. */
#define Py_BUILD_CORE 1
#include <Python.h>

#include <stddef.h>
#include <stdio.h>

#include <internal/pycore_pystate.h>
#if PY_VERSION_HEX >= 0x030d0000
#include <internal/pycore_ceval.h>
#endif
#if PY_VERSION_HEX >= 0x03090000
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#endif

#define MINOR(n) (PY_VERSION_HEX >= (0x03000000 | ((n) << 16)))

/* From 3.12 on there is a second queue, in _PyRuntime, for the main thread alone. */
#if MINOR(9)
typedef PyInterpreterState base;
#else
typedef _PyRuntimeState base;
#endif

static void print(const char *name, size_t value) {
    (void)printf("%s=%zu\n", name, value);
}

int main(void) {
    typedef struct _pending_calls queue;
    print("queue", offsetof(base, ceval.pending));
#if MINOR(13)
    print("lock", offsetof(queue, mutex));
    print("count", offsetof(queue, npending));
    print("max", offsetof(queue, max));
    print("breaker", offsetof(PyThreadState, eval_breaker));
#else
    print("lock", offsetof(queue, lock));
    print("count", offsetof(queue, calls_to_do));
    print("breaker", offsetof(base, ceval.eval_breaker));
#endif
    print("calls", offsetof(queue, calls));
    print("slot_size", sizeof(((queue *)0)->calls[0]));
    print("slots", sizeof(((queue *)0)->calls) / sizeof(((queue *)0)->calls[0]));
    print("first", offsetof(queue, first));
#if MINOR(13)
    print("next", offsetof(queue, next));
#else
    print("next", offsetof(queue, last));
#endif
#if !MINOR(9)
    print("finishing", offsetof(queue, finishing));
#endif
#if MINOR(13)
    print("breaker_mask", _PY_CALLS_TO_DO_BIT);
#else
    print("breaker_mask", 1);
#endif
    return 0;
}
