/* rows: the tables behind layout_find, one per way of keeping frames. Const, so any thread may read
 * them; only layout.c does. Cold.
 *
 * Every number that a header decides is measured again by tests/layout in each installed CPython.
 */
#ifndef ECHION_DAEMON_PYTHON_ROWS_H
#define ECHION_DAEMON_PYTHON_ROWS_H

#include "daemon/python/layout.h"

enum { ROWS_HEAP_CHAIN_COUNT = 6, ROWS_DATASTACK_COUNT = 6, ROWS_STACKREF_COUNT = 4 };

extern const struct py_layout rows_heap_chain[ROWS_HEAP_CHAIN_COUNT]; /* 3.8 to 3.10 */
extern const struct py_layout rows_datastack[ROWS_DATASTACK_COUNT];   /* 3.11 to 3.13 */
extern const struct py_layout rows_stackref[ROWS_STACKREF_COUNT];     /* 3.14 on */

#endif
