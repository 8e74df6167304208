/* remote_offsets: where a CPython of 3.14 and later wants to be asked to run a script (PEP 768), as
 * the target's own table of debug offsets says. A plain value and a pure function over bytes that
 * the target wrote; these places are written to, so nothing is believed before it is checked.
 * Cold; any thread. */
#ifndef ECHION_DAEMON_PYTHON_REMOTE_OFFSETS_H
#define ECHION_DAEMON_PYTHON_REMOTE_OFFSETS_H

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/python/layout.h"

/* Include/cpython/pystate.h: _Py_MAX_SCRIPT_PATH_SIZE, 512 in 3.14 and 3.15. */
enum { REMOTE_PATH_LEAST = 128, REMOTE_PATH_MOST = 4096 };

struct remote_offsets {
    struct {
        uint32_t size; /* sizeof(PyThreadState) */
        uint32_t eval_breaker;
        uint32_t pending_call; /* int32_t */
        uint32_t script_path;  /* char[path_size] */
        uint32_t path_size;
    } thread;
    struct {
        uint32_t size;         /* sizeof(PyInterpreterState) */
        uint32_t remote_debug; /* int: config.remote_debug */
        uint32_t threads_main; /* PyThreadState *: the main thread's, or NULL */
        uint32_t gil_locked;   /* int, of the interpreter's own GIL */
        uint32_t gil_holder;   /* PyThreadState *: who has it, or had it last */
    } interpreter;
};

/* `bytes` are the table that `layout` has been filled from (debug_offsets_apply). UNSUPPORTED: the
 * minor has no such places. CORRUPT: they are outside their structs, or on top of one another or of
 * what the layout knows to be there. `*out` is untouched on failure. */
STATUS_CHECKED enum status remote_offsets_take(const void *bytes, size_t size,
                                               const struct py_layout *layout,
                                               struct remote_offsets *out, struct error *error);

#endif
