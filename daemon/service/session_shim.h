/* session_shim: what a session has to do with the shim in its process: listens to it, gets it in
 * where it is not there, and says what it has made known. Owned by a session; begun and ended for
 * each program on its sampling thread, told of on the main thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_SESSION_SHIM_H
#define ECHION_DAEMON_SERVICE_SESSION_SHIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/service/options.h"
#include "daemon/service/python_search.h"
#include "daemon/service/shim_attach.h"
#include "daemon/service/shim_link.h"

/* All zero at first. */
struct session_shim {
    struct shim_link link;
    atomic_bool reached; /* it was there before we were */
    struct shim_attach attach;
    /* What has been said; the main thread's. */
    bool said_up, said_nonsense;
    uint32_t said_quits;
};

/* `target` outlives it; `bell` is rung when there is something to say, or forks. */
void session_shim_begin(struct session_shim *shim, const struct python_find *target,
                        const struct options *options, int bell);

void session_shim_end(struct session_shim *shim);

/* Says what is new of process `pid`. */
void session_shim_say(struct session_shim *shim, pid_t pid);

#endif
