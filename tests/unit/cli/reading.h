/* reading: a profile given as bytes, and what the reader makes of it, as text that is easy to
 * compare: a line per event, "key=value" for metadata, "pid/interpreter/thread a;b;c metric" for a
 * sample. */
#ifndef ECHION_TESTS_UNIT_CLI_READING_H
#define ECHION_TESTS_UNIT_CLI_READING_H

#include <stddef.h>

#include "cli/profile.h"

struct reading {
    enum status status;
    struct error error;
    struct profile_facts facts;
    char *text; /* to be freed */
};

struct reading reading_of(const void *bytes, size_t size);

/* The same through a pipe that gives few bytes at a time. */
struct reading reading_of_pipe(const void *bytes, size_t size);

#endif
