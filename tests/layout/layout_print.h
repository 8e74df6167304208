/* layout_print: writes the members of a row that headers decide, one `name=value` a line. A function
 * of the tests only; keeps nothing. */
#ifndef ECHION_TESTS_LAYOUT_LAYOUT_PRINT_H
#define ECHION_TESTS_LAYOUT_LAYOUT_PRINT_H

#include <stdio.h>

#include "daemon/python/layout.h"

/* A member without a place in this minor is written as `name=absent`. */
void layout_print(FILE *out, const struct py_layout *layout);

#endif
