/* names: turns code objects into numbers, one per different "file:function", and back. Names are
 * read anew for every picture, because a code object may be another one by then. Owned by one
 * program, used by its only thread. Cold. */
#ifndef ECHION_TESTS_ORACLE_NAMES_H
#define ECHION_TESTS_ORACLE_NAMES_H

#include <stdint.h>

#include "tests/oracle/subject.h"

/* Answers of names_of_code. */
#define NAMES_NONE UINT32_MAX          /* not to be shown: the interpreter's own code */
#define NAMES_INVALID (UINT32_MAX - 1) /* not the code of a frame */

struct names;

STATUS_CHECKED enum status names_create(struct names **out);
void names_destroy(struct names *names);

/* Forgets which address is which code. To be called before each picture. */
void names_begin(struct names *names);

/* The number of a code object's name. Aborts the program when memory runs out. */
uint32_t names_of_code(struct names *names, struct subject *subject, uint64_t code);

/* "file:function", with what a profile's text cannot hold replaced. Valid until the next
 * names_of_code. */
const char *names_text(const struct names *names, uint32_t number);

#endif
