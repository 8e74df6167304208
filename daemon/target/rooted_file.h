/* rooted_file: a file that a target names by its path, opened beneath the target's root. Functions
 * only; any thread, which they can block as long as a file system pleases. Cold.
 *
 * The target may name what it likes: a device, a FIFO, a link out of its root, a file that only
 * others may read. So the path is resolved by openat2 with RESOLVE_IN_ROOT and
 * RESOLVE_NO_MAGICLINKS, what it leads to is looked at by O_PATH until it is known to be a regular
 * file, so that no FIFO waits and no device notices, and only then opened. Whose rights that is
 * done with is the caller's business (rights_run). */
#ifndef ECHION_DAEMON_TARGET_ROOTED_FILE_H
#define ECHION_DAEMON_TARGET_ROOTED_FILE_H

#include "daemon/target/process.h"

/* The path of something that the kernel shows from our root, such as maps and cwd, as the target's
 * root has it, which is not the same in a chroot. A path that does not lie below the target's root
 * is left as it is: its mount namespace is another one, and the kernel showed the path from that
 * one's root. A part of `path`. */
const char *rooted_file_path(const struct process *process, const char *path);

/* What the path leads to, as an O_PATH descriptor that the caller closes; -1 with errno. */
int rooted_file_find(const struct process *process, const char *path);

/* Opens for reading what such a descriptor stands for, if it is a regular file; -1 with errno,
 * ENOENT for anything else. The caller closes both. */
int rooted_file_open(int found);

#endif
