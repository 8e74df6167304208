/* eval_state: which thread of a target's main interpreter has the GIL, and how much deeper a thread
 * may recurse. Functions only, over what the target's memory says at this moment; one thread at a
 * time. Cold. */
#ifndef ECHION_DAEMON_INJECT_EVAL_STATE_H
#define ECHION_DAEMON_INJECT_EVAL_STATE_H

#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/inject/pending_layout.h"
#include "daemon/python/eval_layout.h"
#include "daemon/python/runtime.h"
#include "daemon/target/memory_write.h"

/* How many more calls a thread that is to run a snippet must be able to nest: compiling it takes
 * some, and failing would raise SystemError in the target. */
enum { EVAL_FRAMES_LEAST = 64 };

/* Where to look; what it points to outlives it. */
struct eval_state {
    const struct memory_write *door;
    const struct runtime *runtime;
    const struct eval_layout *layout;
    const struct pending_layout *pending;
    struct raddr base;        /* of the pending layout's offsets */
    struct raddr interpreter; /* the main one */
    struct raddr main_thread; /* its PyThreadState */
};

/* The queue of pending calls. */
static inline struct raddr eval_state_queue(const struct eval_state *eval) {
    return raddr_add(eval->base, eval->pending->queue);
}

/* The thread state that has the GIL, and its id; null when nobody has it, or none of the main
 * interpreter's. Status as memory_write_get. */
STATUS_CHECKED enum status eval_state_holder(const struct eval_state *eval, struct raddr *holder,
                                             uint64_t *id);

/* How many more calls a thread may nest before it gets a RecursionError. CORRUPT: that number makes
 * no sense. */
STATUS_CHECKED enum status eval_state_frames_left(const struct eval_state *eval,
                                                  struct raddr thread, int32_t *left);

#endif
