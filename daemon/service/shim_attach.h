/* shim_attach: gets the shim into a process that runs already, or waits until another profiler has
 * left the one that is there, while the process is sampled: sampling does not wait for it, and is
 * from outside until then.
 *
 * Owned by a session; begun and ended on its sampling thread, with a thread of its own in between,
 * which ends once the shim is in or it is clear that it stays out. What the user is to know is said
 * there and then. Cold. */
#ifndef ECHION_DAEMON_SERVICE_SHIM_ATTACH_H
#define ECHION_DAEMON_SERVICE_SHIM_ATTACH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "daemon/python/runtime.h"
#include "daemon/service/python_search.h"
#include "daemon/service/shim_link.h"
#include "daemon/target/process.h"

struct shim_attach {
    const struct process *process; /* this and the next outlive it */
    const struct runtime *runtime;
    struct shim_link *link; /* which gets the ring */
    enum shim_found found;
    bool stealth; /* the shim's mapping is not named after it */
    int bell;     /* an eventfd: readable when it is to end */
    bool running;
    pthread_t thread;
};

/* Begins, by what was `found`: gets the shim in, if there is a way into a Python of this version;
 * waits for its other reader; or removes what a daemon that was killed has left when it got it in.
 * Where it cannot, sampling goes on from outside, and that is said. `target` outlives it. */
void shim_attach_begin(struct shim_attach *attach, const struct python_find *target,
                       struct shim_link *link, enum shim_found found, bool stealth);

/* Takes back what nobody has taken yet; what is in the process stays. May wait a second for who is
 * just loading it. Accepts what has not been begun, all zero. */
void shim_attach_end(struct shim_attach *attach);

#endif
