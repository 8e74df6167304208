/* eval_breaker: gives the threads of a target reason to look at their interpreter's queue of
 * pending calls. A plain value that remembers what was done; one thread at a time. Cold. */
#ifndef ECHION_DAEMON_INJECT_EVAL_BREAKER_H
#define ECHION_DAEMON_INJECT_EVAL_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/inject/eval_state.h"

/* Zero before the first time. */
struct eval_breaker {
    uint64_t set_ns;     /* CLOCK_MONOTONIC, when it was last set */
    struct raddr holder; /* of the GIL, then: 3.13 */
    uint64_t holder_id;
};

/* Sets it for whoever could make calls now; `stopped` says that all threads stand still. Status as
 * memory_write_put. */
STATUS_CHECKED enum status eval_breaker_set(struct eval_breaker *breaker,
                                            const struct eval_state *eval, bool stopped);

/* Whether it should be set again for a call that still waits: it was set long ago, and was lost to
 * a race with the target's own writing; or, as `count` of the queue says, it could not be set. */
bool eval_breaker_is_due(const struct eval_breaker *breaker, int32_t count);

#endif
