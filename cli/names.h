/* names: byte strings, each kept once and known by a number from 0 on. Owned by whoever reads a
 * profile; one thread. What it holds comes out of a file that anybody may have written: the number
 * of bytes is bounded, and the hash has a secret seed. */
#ifndef ECHION_CLI_NAMES_H
#define ECHION_CLI_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

struct names;

/* Bytes of all strings together; one more is refused with STATUS_NOMEM. */
#define NAMES_BYTES_MAX ((size_t)1 << 30)

STATUS_CHECKED enum status names_create(struct names **out);
void names_destroy(struct names *names);

/* The number of a string, which is new if it equals names_count() from before. */
STATUS_CHECKED enum status names_intern(struct names *names, const char *bytes, size_t size,
                                        uint32_t *number);

uint32_t names_count(const struct names *names);

/* The string, with a NUL behind it that `*size` (if wanted) does not count. Valid until the next
 * names_intern. */
const char *names_text(const struct names *names, uint32_t number, size_t *size);

#endif
