/* layout_print: writes a row as lines of `name=value`. Functions of the tests only; keep nothing.
 */
#ifndef ECHION_TESTS_LAYOUT_LAYOUT_PRINT_H
#define ECHION_TESTS_LAYOUT_LAYOUT_PRINT_H

#include <stdio.h>

#include "daemon/python/layout.h"
#include "daemon/python/sync_layout.h"
#include "daemon/python/value_layout.h"

/* The members that CPython's headers decide. One without a place in this minor is `name=absent`. */
void layout_print(FILE *out, const struct py_layout *layout);

/* The others. */
void layout_print_behaviour(FILE *out, const struct py_layout *layout);

/* The members of the rows beside it that CPython's headers decide: `sync.` and `value.` stand
 * before their names. */
void layout_print_sync(FILE *out, const struct sync_layout *sync);
void layout_print_values(FILE *out, const struct value_layout *values);

#endif
