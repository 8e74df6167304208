/* rights: whose rights a file of the target's is opened with: its owner's, never more. A plain
 * value; any thread. Cold.
 *
 * The rights are taken on by a thread of its own, which ends with them: credentials belong to
 * threads (credentials(7)), so no other thread ever runs with them and nothing has to be restored,
 * should restoring fail. */
#ifndef ECHION_DAEMON_TARGET_RIGHTS_H
#define ECHION_DAEMON_TARGET_RIGHTS_H

#include <stddef.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/target/process.h"

enum { RIGHTS_GROUPS_MAX = 64 };

struct rights {
    uid_t uid; /* file system ids */
    gid_t gid;
    gid_t groups[RIGHTS_GROUPS_MAX]; /* supplementary; those beyond the limit are not taken on */
    size_t group_count;
};

/* The process's at this moment. GONE, NOMEM, SYS. */
STATUS_CHECKED enum status rights_read(const struct process *process, struct rights *out);

/* Runs `work(context)` with these rights and no capability to override them, on another thread or,
 * where they are what the caller has anyway, on this one; returns when it is done. DENIED, and not
 * run, when we may not take them on (that takes CAP_SETUID and CAP_SETGID), NOMEM. */
STATUS_CHECKED enum status rights_run(const struct rights *rights, void (*work)(void *),
                                      void *context);

#endif
