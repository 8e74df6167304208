/* layout_print: writes a row as lines of `name=value`. Functions of the tests only; keep nothing.
 */
#ifndef ECHION_TESTS_LAYOUT_LAYOUT_PRINT_H
#define ECHION_TESTS_LAYOUT_LAYOUT_PRINT_H

#include <stdio.h>

#include "daemon/python/layout.h"

/* The members that CPython's headers decide. One without a place in this minor is `name=absent`. */
void layout_print(FILE *out, const struct py_layout *layout);

/* The others. */
void layout_print_behaviour(FILE *out, const struct py_layout *layout);

#endif
