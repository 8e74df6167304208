/* shim_notice: says what a shim has made known of itself and of its process. Owned by a session,
 * used by the main thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_SHIM_NOTICE_H
#define ECHION_DAEMON_SERVICE_SHIM_NOTICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/service/shim_link.h"

/* What has been said; all zero at first. */
struct shim_notice {
    bool up, nonsense;
    uint32_t quits;
};

/* Says what is new. */
void shim_notice_say(struct shim_notice *notice, const struct shim_link *link, pid_t pid);

#endif
