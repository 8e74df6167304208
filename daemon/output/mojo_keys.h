/* mojo_keys: the keys under which strings and frames stand in a MOJO file, as far as remembered.
 * Owned by the MOJO format, used by the writing thread only.
 *
 * Bounded: what has been forgotten is defined again, under a new key; a key is never given twice.
 * Keys hold within one pid, as the format has it. Codes are told apart by their serial. */
#ifndef ECHION_DAEMON_OUTPUT_MOJO_KEYS_H
#define ECHION_DAEMON_OUTPUT_MOJO_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/line_table.h"

struct mojo_keys;

STATUS_CHECKED enum status mojo_keys_create(struct mojo_keys **out);
void mojo_keys_destroy(struct mojo_keys *keys);

/* The key of a string, or of the code `serial` at a place, in `*key`. False if it is new: the
 * caller has to define it under `*key`. */
bool mojo_keys_string(struct mojo_keys *keys, int32_t pid, const char *string, uint64_t *key);
bool mojo_keys_frame(struct mojo_keys *keys, int32_t pid, uint64_t serial,
                     const struct location *place, uint64_t *key);

#endif
