/* output_file: where a profile goes: a file, a pipe, a device, or a descriptor that we were given.
 *
 * Opened before the target is touched, so that what is wrong with it is found out first; taken,
 * which empties an existing file, only once there is something to write. Whoever opened it owns it;
 * it may be handed to another thread, and is never used by two at once. Cold. */
#ifndef ECHION_DAEMON_SERVICE_OUTPUT_FILE_H
#define ECHION_DAEMON_SERVICE_OUTPUT_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/output/writer.h"

struct output_file;

/* Opens what `pattern` names once `%(pid)` in it is replaced by `pid`; "-" is standard output. A
 * regular file is created if it is missing, never emptied; waits for the reader of a FIFO.
 * `format`: NULL to go by the suffix.
 *
 * Run by root through sudo, the file is opened with the calling user's rights, or failing that with
 * ours, and belongs to the calling user. In a folder that everybody may write to, no link, file
 * or FIFO of somebody else is used.
 *
 * STATUS_UNSUPPORTED: the suffix is unknown, a usage error. Anything else: it cannot be created. */
STATUS_CHECKED enum status output_file_open(const char *pattern, const enum output_format *format,
                                            pid_t pid, struct output_file **out,
                                            struct error *error);

/* Empties a regular file and gives out a descriptor of it, which is then the caller's. Once only.
 */
STATUS_CHECKED enum status output_file_take(struct output_file *file, int *fd, struct error *error);

/* Its descriptor, which stays its own; -1 once it was taken. */
int output_file_descriptor(const struct output_file *file);

/* Closes it; a file that was created here and never taken is removed again. Accepts NULL. */
void output_file_destroy(struct output_file *file);

enum output_format output_file_format(const struct output_file *file);

/* For a person: the path, or "standard output". Valid as long as the file. */
const char *output_file_name(const struct output_file *file);

/* Whether it is the same descriptor as our standard output. */
bool output_file_is_stdout(const struct output_file *file);

/* Whether `pattern` means standard output: "-", /dev/stdout and its like. */
bool output_pattern_is_stdout(const char *pattern);

#endif
