/* handed_file: a file with bytes of ours, where the target can open it and nobody else can have put
 * it or change it. Owns the file until handed_file_remove; owned by one request. Cold.
 *
 * It lies in one of the target's folders for temporary files, found beneath the target's root, so
 * that other mount namespaces and chroots do not matter, and made with its owner's rights
 * (target/rights.h): with a name that nobody can guess, O_EXCL, belonging to that owner, readable
 * by them alone. A folder in which others could replace it (writable for them and not sticky, or
 * not root's or the owner's) is passed over. Where no folder can be written to, it is a sealed
 * memfd of ours that the target opens through /proc/OURS/fd, if it is in our PID namespace and our
 * owner's process; then there is nothing to remove.
 *
 * A file and not a memfd is the first choice because the target may open it after we have been
 * killed: what it cannot find, CPython complains about on the target's standard error. We hold a
 * lock on it (flock(2)), so what a daemon that was killed has left is known by having none. */
#ifndef ECHION_DAEMON_INJECT_HANDED_FILE_H
#define ECHION_DAEMON_INJECT_HANDED_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/target/process.h"

enum { HANDED_FILE_PATH_MAX = 64 };

/* By which a path that stands in a target is known to be ours. */
#define HANDED_FILE_MARK "/.echion-"
#define HANDED_FILE_OWN "/fd/../fd/" /* before a descriptor of ours, as nobody else writes it */

struct handed_file {
    int folder; /* where the file is; -1: a memfd */
    int fd;
    char path[HANDED_FILE_PATH_MAX]; /* as the target sees it */
    uid_t uid;                       /* its owner */
};

#define HANDED_FILE_NONE ((struct handed_file){.folder = -1, .fd = -1})

/* UNSUPPORTED: there is no place that we and the target can both get at. GONE, DENIED, NOMEM, SYS.
 */
STATUS_CHECKED enum status handed_file_make(const struct process *process, const void *bytes,
                                            size_t size, struct handed_file *out,
                                            struct error *error);

/* Removes the file. Accepts HANDED_FILE_NONE. */
void handed_file_remove(struct handed_file *file);

/* Removes what daemons that were killed have left for this process: not before it is sure that it
 * will open none of it. */
void handed_file_sweep(const struct process *process);

#endif
