/* output_name: what the name of an output says: the process's place in it, its format, or a
 * descriptor that we have already. Pure functions on strings. Cold. */
#ifndef ECHION_DAEMON_SERVICE_OUTPUT_NAME_H
#define ECHION_DAEMON_SERVICE_OUTPUT_NAME_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/output/writer.h"

/* `pattern` with each `%(pid)` replaced, allocated; NULL without memory. The caller frees it. */
char *output_name_expand(const char *pattern, pid_t pid);

/* The format that the suffix of a regular file's name asks for; text without a suffix.
 * STATUS_UNSUPPORTED for a suffix that we do not know. */
STATUS_CHECKED enum status output_name_format(const char *name, enum output_format *out,
                                              struct error *error);

/* The descriptor that the name stands for: "-", /dev/stdout, /dev/stderr, /dev/fd/N and
 * /proc/self/fd/N; -1 if it is an ordinary path. Such a one is duplicated, not opened again:
 * opening it again would start writing at the beginning of a file that others append to. */
int output_name_descriptor(const char *name);

#endif
