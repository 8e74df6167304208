/* proc_file: a small text file beneath a directory of /proc. Functions only; any thread. Cold.
 *
 * The directory is an open descriptor of /proc/PID or /proc/PID/task/TID, which never leads to
 * another process, even when the number has been taken by one. Some of these files (maps, cmdline,
 * auxv) take the target's memory lock: reading them can block as long as memory_read can. */
#ifndef ECHION_DAEMON_TARGET_PROC_FILE_H
#define ECHION_DAEMON_TARGET_PROC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

/* Reads the file whole, or its first `capacity` - 1 bytes, and ends it with a NUL. `size` may be
 * NULL. GONE when the process or thread has ended, ABSENT when the kernel has no such file, DENIED,
 * SYS. */
STATUS_CHECKED enum status proc_file_read(int dir, const char *name, char *out, size_t capacity,
                                          size_t *size);

/* What follows "KEY:" and white space in a file like status; NULL when no line begins so. */
const char *proc_file_field(const char *text, const char *key);

/* Takes a number of the given base off the front of `*text`, white space before it skipped. False,
 * and nothing taken, when there is none or it does not fit. */
bool proc_file_number(const char **text, unsigned base, uint64_t *out);

#endif
