/* tally: how often each stack was seen. Stacks are given leaf first, as numbers of names, and
 * printed root first as collapsed text. Owned by one program, used by its only thread. Cold. */
#ifndef ECHION_TESTS_ORACLE_TALLY_H
#define ECHION_TESTS_ORACLE_TALLY_H

#include <stdint.h>
#include <stdio.h>

#include "tests/oracle/names.h"

struct tally;

STATUS_CHECKED enum status tally_create(struct tally **out);
void tally_destroy(struct tally *tally);

/* Counts a stack. NOMEM: it was not counted. */
STATUS_CHECKED enum status tally_add(struct tally *tally, const uint32_t *names, uint32_t count);

/* Prints one line per stack, the count as its metric, and forgets them. */
void tally_flush(struct tally *tally, const struct names *names, pid_t pid, pid_t tid, FILE *out);

#endif
