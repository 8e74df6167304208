/* written: a writer to a file in memory, and what is in it. For tests only. */
#ifndef ECHION_TESTS_UNIT_OUTPUT_WRITTEN_H
#define ECHION_TESTS_UNIT_OUTPUT_WRITTEN_H

#include <stddef.h>

#include "daemon/output/writer.h"

struct written {
    struct writer *writer;
    int look; /* a second descriptor of its file */
};

struct written written_make(enum output_format format);

/* Flushes, and gives all that is in the file, with a NUL behind it; to be freed. */
char *written_contents(struct written *written, size_t *size);

/* Flushes, destroys the writer, and closes. */
void written_end(struct written *written);

/* A batch such as the format asks for. */
struct batch *written_batch(enum output_format format);

#endif
