/* value_layout: where CPython keeps what a value shows of itself that nobody else has to know:
 * const rows, one per minor and word size, beside those of layout.h; any thread. Cold. Offsets are
 * bytes from the start of the struct named by the member; LAYOUT_ABSENT where a minor has no such
 * field.
 */
#ifndef ECHION_DAEMON_PYTHON_VALUE_LAYOUT_H
#define ECHION_DAEMON_PYTHON_VALUE_LAYOUT_H

#include <stdint.h>

#include "daemon/python/layout.h"

struct value_layout {
    uint8_t minor, word_size;
    struct {
        uint32_t names; /* co_varnames; from 3.11 on co_localsplusnames: of all that follow, too */
        uint32_t cells; /* co_cellvars, to 3.10 */
        uint32_t free;  /* co_freevars, to 3.10 */
    } code;             /* tuples of names */
    struct {
        uint32_t size, items; /* ob_size, ob_item: the items themselves */
    } tuple;
    struct {
        uint32_t size, items; /* ob_size, ob_item: the address of the items */
    } list;
    struct {
        uint32_t used, mask, table; /* a table of mask + 1 entries: key and hash, a word each */
    } set;
    uint32_t cell; /* ob_ref */
    uint32_t real; /* ob_fval of a float */
};

/* The row for a layout; NULL if there is none. Static storage. */
const struct value_layout *value_layout_find(const struct py_layout *layout);

#endif
