/* profile_hook: has a thread run a snippet that is not the main one, where only the main thread
 * makes pending calls (CPython 3.8 to 3.11) and does not run: in the place of the thread's profile
 * function, which the interpreter calls at the next call or return. The snippet removes itself
 * before it does anything else. A plain value; one thread at a time. Cold.
 *
 * There is one at most in a process, set on a thread that has the GIL, and never where the target
 * profiles or traces that thread itself. Nothing of the target's can see it: sys.getprofile() is a
 * call, before which it is gone. We may be killed between any two stores: the function is called
 * only once its argument stands there.
 *
 * Should an audit hook of the target forbid sys.setprofile, it stays until profile_hook_drop and
 * then does nothing but to slow that thread down. */
#ifndef ECHION_DAEMON_INJECT_PROFILE_HOOK_H
#define ECHION_DAEMON_INJECT_PROFILE_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/inject/eval_state.h"
#include "daemon/inject/snippet.h"
#include "daemon/inject/snippet_area.h"
#include "daemon/target/process.h"

struct profile_hook {
    struct snippet snippet;
    size_t off;          /* of the byte that switches it off */
    struct raddr thread; /* whose it is; null: not set */
    uint64_t id;
};

/* What the following work on; it outlives each call. */
struct profile_hook_place {
    const struct process *process;
    const struct eval_state *eval;
    const struct snippet_area *area;
    struct raddr function; /* PyRun_SimpleString */
};

/* Whether it is of any use now: the GIL is with another thread than the main one, which has no
 * profile or trace function, and there is no hook yet. */
STATUS_CHECKED enum status profile_hook_look(const struct profile_hook_place *place, bool *useful);

/* Stops all threads and sets it, if it still is of use; `hook->thread` says so. TORN and others as
 * stop_run and memory_write say. */
STATUS_CHECKED enum status profile_hook_set(const struct profile_hook_place *place,
                                            struct profile_hook *hook, struct error *error);

/* Whether it is not there any more: the snippet runs, or has run. When its thread has ended
 * instead, `hook->thread` is null. */
STATUS_CHECKED enum status profile_hook_taken(const struct profile_hook_place *place,
                                              struct profile_hook *hook, bool *taken);

/* Leaves it nothing to do but to remove itself. */
STATUS_CHECKED enum status profile_hook_drop(const struct memory_write *door,
                                             const struct snippet_area *area,
                                             const struct profile_hook *hook);

#endif
