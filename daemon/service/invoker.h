/* invoker: the user on whose behalf we run: under sudo not root, but who typed sudo. A plain value.
 * Cold. */
#ifndef ECHION_DAEMON_SERVICE_INVOKER_H
#define ECHION_DAEMON_SERVICE_INVOKER_H

#include <stdbool.h>
#include <sys/types.h>

struct invoker {
    uid_t uid;
    gid_t gid;
    bool through_sudo; /* we are root, and uid and gid are somebody else's */
};

struct invoker invoker_find(void);

/* The file system rights of the calling thread become the invoker's; false if the kernel refused
 * (call invoker_rights_leave all the same). Nothing to do where they are ours. */
bool invoker_rights_take(const struct invoker *invoker);

/* ... and ours again. */
void invoker_rights_leave(const struct invoker *invoker);

#endif
