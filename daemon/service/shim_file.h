/* shim_file: the shim's files, which a launched command is to preload, and a process that runs
 * already to load. They lie at a fixed place from echiond itself, in a build tree as where it is
 * installed. Cold. */
#ifndef ECHION_DAEMON_SERVICE_SHIM_FILE_H
#define ECHION_DAEMON_SERVICE_SHIM_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/shim_path.h"
#include "common/status.h"

/* Owned by main. */
struct shim_file {
    char path[SHIM_PATH_MAX]; /* what to preload; "" for nothing */
    bool for_32_bits;         /* whether there is a sibling for programs of 32 bits */
    int copies[2];            /* with stealth: descriptors of the two in memory; or -1 */
};

/* Finds the shim, and makes sure that a loader would take it. With `stealth`, `path` is that of a
 * copy in memory, which lives until shim_file_close and whose name says nothing. On failure there
 * is nothing to preload, and the error says what is missing; `out` may be closed all the same. */
STATUS_CHECKED enum status shim_file_open(bool stealth, struct shim_file *out, struct error *error);

void shim_file_close(struct shim_file *file);

/* Reads the one for a word size of 4 or 8 bytes into memory; `*bytes` is the caller's to free.
 * ABSENT, DENIED, UNSUPPORTED: there is none that could be loaded, and the text says why. NOMEM,
 * SYS. Any thread. */
STATUS_CHECKED enum status shim_file_load(unsigned word_size, void **bytes, size_t *size,
                                          struct error *error);

#endif
