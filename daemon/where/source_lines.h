/* source_lines: lines of the source files that a target's code objects name. Owned by one look at a
 * process; one thread at a time. Cold: reads files, and can block as long as a file system pleases.
 *
 * The target may name any file, so each is opened beneath its root with its owner's rights and only
 * if it is a regular one (rooted_file, rights), and read, up to a limit, never mapped. What comes
 * out is fit for a terminal (common/display.h). The file may have been edited since the program was
 * started: the line that stands there now is what is shown, as Python's own tracebacks do. */
#ifndef ECHION_DAEMON_WHERE_SOURCE_LINES_H
#define ECHION_DAEMON_WHERE_SOURCE_LINES_H

#include <stdint.h>

#include "common/status.h"
#include "daemon/target/process.h"

enum {
    SOURCE_FILES_MAX = 1024,         /* files and */
    SOURCE_LINES_MAX = 1 << 14,      /* lines that are looked for at most */
    SOURCE_FILE_BYTES_MAX = 4 << 20, /* of a file; what lies behind is not found */
    SOURCE_BYTES_MAX = 64 << 20,     /* of all files together */
    SOURCE_LINE_BYTES_MAX = 240,     /* of a line; longer ones are cut */
};

struct source_lines;

STATUS_CHECKED enum status source_lines_create(struct source_lines **out);
void source_lines_destroy(struct source_lines *lines);

/* Asks for a line, counted from 1, of the file that the target knows by this path. Such as
 * "<string>" are no files. What is beyond the limits is forgotten. */
void source_lines_want(struct source_lines *lines, const char *path, int32_t line);

/* Reads all that has been asked for, once. DENIED, and nothing found, when the rights of the
 * process's owner cannot be taken on; GONE, NOMEM, SYS. A file that cannot be had is no failure. */
STATUS_CHECKED enum status source_lines_read(struct source_lines *lines,
                                             const struct process *process);

/* The line without the white space around it; NULL where it could not be had, or is empty. Lives as
 * long as `lines`. */
const char *source_lines_find(const struct source_lines *lines, const char *path, int32_t line);

#endif
