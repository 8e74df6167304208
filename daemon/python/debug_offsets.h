/* debug_offsets: the table of struct offsets that CPython 3.13 and later keep at the start of
 * _PyRuntime (_Py_DebugOffsets), and what it says about one target. Pure functions over bytes that
 * the target wrote, so nothing in them is believed before it is checked. Cold; any thread.
 *
 * The tasks of asyncio have a table of their own (.AsyncioDebug, Modules/_asynciomodule.c), not
 * read here. */
#ifndef ECHION_DAEMON_PYTHON_DEBUG_OFFSETS_H
#define ECHION_DAEMON_PYTHON_DEBUG_OFFSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/python/layout.h"

/* Bytes that debug_offsets_version looks at. */
enum { DEBUG_OFFSETS_HEAD = 16 };

/* sizeof(_Py_DebugOffsets) in a minor, the same for every word size; 0 if the minor has none that
 * we know. */
size_t debug_offsets_size(unsigned minor);

/* Whether these bytes begin such a table ("xdebugpy"): then PY_VERSION_HEX of the target in
 * `version` (3.14.2 is 0x030e02f0). */
bool debug_offsets_version(const void *bytes, size_t size, uint32_t *version);

/* Refills `layout`, a copy of the row of 3.`minor` and `word_size`, with what the target says of
 * itself.
 *
 * The states (runtime, interpreter, thread) differ between patch releases: their offsets are taken.
 * Everything else must stand where the row has it, and then the members that the table does not
 * name are the row's too; layout.interpreter.jit is known for some releases only, else
 * LAYOUT_ABSENT.
 *
 * CORRUPT when the table contradicts itself or could not come from such a build; UNSUPPORTED when
 * it is sound but the build is not one that the row describes: free-threaded (only then
 * `free_threaded` is set to true), a pre-release, a patched CPython. The layout is untouched on
 * failure. */
STATUS_CHECKED enum status debug_offsets_apply(const void *bytes, size_t size, unsigned minor,
                                               unsigned word_size, struct py_layout *layout,
                                               bool *free_threaded, struct error *error);

#endif
