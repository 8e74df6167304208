/* script_file: a file with a script in it, where the target can open it and nobody else can have
 * put it or change it. Owns the file until script_file_remove; owned by one request. Cold.
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
 * killed: what it cannot find, CPython complains about on the target's standard error. */
#ifndef ECHION_DAEMON_INJECT_SCRIPT_FILE_H
#define ECHION_DAEMON_INJECT_SCRIPT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/inject/script.h"
#include "daemon/target/process.h"

enum { SCRIPT_FILE_PATH_MAX = 64 };

/* By which a path that stands in a target is known to be ours. */
#define SCRIPT_FILE_MARK "/.echion-"

struct script_file {
    int folder;                      /* where the file is; -1: a memfd */
    int memfd;                       /* -1: a file */
    char path[SCRIPT_FILE_PATH_MAX]; /* as the target sees it */
    uid_t uid;                       /* its owner */
};

#define SCRIPT_FILE_NONE ((struct script_file){.folder = -1, .memfd = -1})

/* UNSUPPORTED: there is no place that we and the target can both get at. GONE, DENIED, NOMEM, SYS.
 */
STATUS_CHECKED enum status script_file_make(const struct process *process,
                                            const struct script *script, struct script_file *out,
                                            struct error *error);

/* Removes the file. Accepts SCRIPT_FILE_NONE. */
void script_file_remove(struct script_file *file);

#endif
