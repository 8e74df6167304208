/* Built against the headers of one CPython, 3.8 to 3.13: prints the fields of struct pending_layout
 * in their order but the last, as pending_run takes them, and the row of eval_layout as pending_run
 * --row does. */
#define Py_BUILD_CORE 1
#include <Python.h>

#if PY_VERSION_HEX >= 0x03090000
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#else
#include <internal/pycore_pystate.h>
#endif
#include <stddef.h>
#include <stdio.h>

#define NONE 2147483647L
#if PY_VERSION_HEX < 0x03090000
typedef _PyRuntimeState base;
#else
typedef PyInterpreterState base;
#endif
typedef __typeof__(((base *)NULL)->ceval.pending) queue;

#define IN_QUEUE(field) ((long)offsetof(queue, field))
#define IN_CEVAL(field) ((long)offsetof(base, ceval.field))
#define IN_THREAD(field) ((long)offsetof(PyThreadState, field))

int main(void) {
    long at = IN_CEVAL(pending);
    long slot = sizeof(((queue *)NULL)->calls[0]);
    long slots = sizeof(((queue *)NULL)->calls) / slot;
#if PY_VERSION_HEX < 0x030d0000
    printf("%d,%ld,%ld,0,%ld,0,%ld,%ld,%ld,%ld,%ld,", PY_VERSION_HEX >= 0x03090000, at,
           IN_QUEUE(lock), IN_QUEUE(calls_to_do), IN_QUEUE(calls), slot, slots, IN_QUEUE(first),
           IN_QUEUE(last));
#else
    printf("1,%ld,%ld,1,%ld,1,%ld,%ld,%ld,%ld,%ld,", at, IN_QUEUE(mutex), IN_QUEUE(npending),
           IN_QUEUE(calls), slot, slots, IN_QUEUE(first), IN_QUEUE(next));
#endif
#if PY_VERSION_HEX < 0x03090000
    printf("%ld,0,%ld\n", IN_QUEUE(finishing), IN_CEVAL(eval_breaker));
#elif PY_VERSION_HEX < 0x030d0000
    printf("4294967295,0,%ld\n", IN_CEVAL(eval_breaker));
#else
    printf("4294967295,1,%ld\n", IN_THREAD(eval_breaker));
#endif

#if PY_VERSION_HEX < 0x03090000
    printf("gil_in_runtime=%ld\ngil_from_queue=%ld\n", NONE, IN_CEVAL(gil) - at);
#elif PY_VERSION_HEX < 0x030c0000
    printf("gil_in_runtime=%ld\ngil_from_queue=%ld\n", (long)offsetof(_PyRuntimeState, ceval.gil),
           NONE);
#else
    printf("gil_in_runtime=%ld\ngil_from_queue=%ld\n", NONE, IN_CEVAL(gil) - at);
#endif
    printf("gil_is_pointer=%d\n", PY_VERSION_HEX >= 0x030c0000);
#if PY_VERSION_HEX < 0x030b0000
    printf("limit_from_queue=%ld\ndepth=%ld\nremaining=0\nc_remaining=0\n",
           IN_CEVAL(recursion_limit) - at, IN_THREAD(recursion_depth));
#elif PY_VERSION_HEX < 0x030c0000
    printf("limit_from_queue=%ld\ndepth=0\nremaining=%ld\nc_remaining=0\n", NONE,
           IN_THREAD(recursion_remaining));
#else
    printf("limit_from_queue=%ld\ndepth=0\nremaining=%ld\nc_remaining=%ld\n", NONE,
           IN_THREAD(py_recursion_remaining), IN_THREAD(c_recursion_remaining));
#endif
#if PY_VERSION_HEX < 0x030a0000
    printf("tracing=%ld\nprofile_func=%ld\nuse_tracing=%ld\nuse_tracing_pointed=0\n",
           IN_THREAD(tracing), IN_THREAD(c_profilefunc), IN_THREAD(use_tracing));
#elif PY_VERSION_HEX < 0x030c0000
    printf("tracing=%ld\nprofile_func=%ld\nuse_tracing=%ld\nuse_tracing_pointed=1\n",
           IN_THREAD(tracing), IN_THREAD(c_profilefunc), IN_THREAD(cframe));
#else
    printf("tracing=0\nprofile_func=0\nuse_tracing=0\nuse_tracing_pointed=0\n");
#endif
    return 0;
}
