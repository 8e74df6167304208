/* made_code: a code object made up for a test. The test, or the cache that it is put into, owns it.
 */
#ifndef ECHION_TESTS_UNIT_DECODE_MADE_CODE_H
#define ECHION_TESTS_UNIT_DECODE_MADE_CODE_H

#include "daemon/decode/code.h"

enum { MADE_CODE_WORDS = 4 }; /* one local variable and the value stack */

/* Code from names of instructions up to a NULL; their inline caches follow each. */
struct code *made_code(const struct py_layout *layout, uint64_t address, const char *name,
                       const char *const *instructions);

#endif
