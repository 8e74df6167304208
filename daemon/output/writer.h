/* writer: turns batches into one of the output formats. Used by one thread (the session's writing
 * thread); owns no batch; owns the descriptor it was given. Cold: it may allocate and block.
 *
 * Everything written is valid up to the last flush. A failing write (full disk, quota) cuts a
 * regular file back to its last whole record and reports STATUS_SYS with errno's text; the writer
 * then stays failed. A closed pipe (EPIPE) is STATUS_GONE: the reader has seen enough. */
#ifndef ECHION_DAEMON_OUTPUT_WRITER_H
#define ECHION_DAEMON_OUTPUT_WRITER_H

#include <stdint.h>

#include "common/status.h"
#include "daemon/aggregate/batch.h"

enum output_format {
    OUTPUT_FORMAT_AUSTIN, /* collapsed text */
    OUTPUT_FORMAT_MOJO,   /* binary, version 3 */
};

struct writer;

/* One format. `write_batch` and `metadata` append to the writer's buffer. */
struct writer_format {
    const char *name;   /* as --format takes it: "austin", "mojo" */
    const char *suffix; /* with its dot: ".austin", ".mojo" */
    bool merge;         /* batches for it may sum equal samples */
};

/* The formats, indexed by enum output_format; `output_format_count` of them. */
extern const struct writer_format output_formats[];
extern const unsigned output_format_count;

/* Takes over `fd` on success (closed by writer_destroy). SIGPIPE and SIGXFSZ have to be ignored in
 * this process. Nothing reaches the descriptor before the first flush, or before much has gathered.
 */
STATUS_CHECKED enum status writer_create(enum output_format format, int fd, struct writer **out,
                                         struct error *error);
void writer_destroy(struct writer *writer);

/* One metadata line or event: key and value are cleaned as the format needs. */
STATUS_CHECKED enum status writer_metadata(struct writer *writer, const char *key,
                                           const char *value, struct error *error);
STATUS_CHECKED enum status writer_metadata_number(struct writer *writer, const char *key,
                                                  int64_t value, struct error *error);

/* Writes all samples of a batch. */
STATUS_CHECKED enum status writer_batch(struct writer *writer, const struct batch *batch,
                                        struct error *error);

/* Hands everything buffered to the kernel. */
STATUS_CHECKED enum status writer_flush(struct writer *writer, struct error *error);

/* Flushes and closes the descriptor, and tells what only closing shows (a quota on a network file
 * system). Nothing can be written after it; the writer is still to be destroyed. */
STATUS_CHECKED enum status writer_finish(struct writer *writer, struct error *error);

#endif
