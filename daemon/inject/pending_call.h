/* pending_call: asks a CPython of 3.8 to 3.13 to load a library, by its own queue of pending calls:
 * a function and its argument that the interpreter calls at a safe point with the GIL held. The
 * function is PyRun_SimpleString, the argument a snippet. All threads of the target are stopped
 * once for the few stores that this takes (stop.h says when that is possible); no register, stack
 * or code of it is touched. Owns the door to the target's memory; one thread at a time. Cold, and
 * can block as long as memory_read can.
 *
 *     arm -> look, every few ms -> taken, or withdraw -> deinit
 *
 * Up to 3.11 only the main thread makes the calls. When it has not come after PENDING_CALL_MAIN_MS
 * and another thread runs, that one is given the snippet as a profile_hook, which takes another
 * stop. From 3.12 on any thread of the main interpreter makes the calls. A call that waits does no
 * harm: withdrawn, it runs an empty text. It stays in the queue until somebody makes it, and is
 * used again when asked again: there is never more than one.
 *
 * We may be killed at any instant: nothing refers to the snippet before it stands whole, nothing to
 * the call's slot before that does, and one store makes it a call (call_queue_put tells of 3.13).
 * What has been asked for then is still run, once, unless a later daemon takes it back. */
#ifndef ECHION_DAEMON_INJECT_PENDING_CALL_H
#define ECHION_DAEMON_INJECT_PENDING_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/inject/eval_breaker.h"
#include "daemon/inject/pending_layout.h"
#include "daemon/inject/profile_hook.h"
#include "daemon/inject/snippet.h"
#include "daemon/inject/snippet_area.h"
#include "daemon/inject/stop.h"
#include "daemon/python/eval_layout.h"
#include "daemon/python/runtime.h"
#include "daemon/target/memory_write.h"
#include "daemon/target/process.h"

/* How long the main thread may take before another one is asked. */
enum { PENDING_CALL_MAIN_MS = 20 };

struct pending_call {
    const struct process *process; /* both outlive this */
    const struct runtime *runtime;
    struct pending_layout layout;
    const struct eval_layout *eval;
    struct memory_write door;
    struct snippet_area area;
    struct snippet snippet;
    struct raddr function;    /* PyRun_SimpleString */
    struct raddr interpreter; /* the main one's PyInterpreterState */
    struct raddr base;        /* of the layout's offsets */
    struct raddr main_thread; /* its PyThreadState */
    uint64_t main_id;         /* and that one's id */
    unsigned cell;            /* of the area: the call's argument */
    bool asked;               /* the call is in the queue, or has been made */
    struct eval_breaker breaker;
    struct profile_hook hook;
    uint64_t asked_ns; /* CLOCK_MONOTONIC */
    unsigned hooks_tried;
    struct stop_account stop; /* of the last one */
};

#define PENDING_CALL_NONE ((struct pending_call){.door = MEMORY_WRITE_NONE})

/* Asks for it. `library` is a path as the target sees it (inject/script.h says what it exports).
 * UNSUPPORTED: this Python shows no way in, or there is no room for the snippet. TORN: it starts,
 * ends, recurses too deeply, has no room in the queue, or has no moment at which it can be stopped:
 * later. CORRUPT, GONE, DENIED, NOMEM, SYS. On failure nothing new is asked for. */
STATUS_CHECKED enum status pending_call_arm(const struct process *process,
                                            const struct runtime *runtime,
                                            const struct pending_layout *layout,
                                            const char *library, struct pending_call *out,
                                            struct error *error);

/* Whether a thread has taken the call out of the queue: it runs the snippet now, or has run it.
 * Until then each look sees to it that whoever could make the call has reason to look for it; one
 * of them may stop the target as arm does. GONE: the program has ended. TORN: the interpreter is
 * ending. CORRUPT, SYS. */
STATUS_CHECKED enum status pending_call_look(struct pending_call *call, bool *taken);

/* Takes it back. A thread that took it in the same moment runs it all the same. GONE, TORN, SYS. */
STATUS_CHECKED enum status pending_call_withdraw(struct pending_call *call);

/* Accepts PENDING_CALL_NONE. What is asked for stays so. */
void pending_call_deinit(struct pending_call *call);

#endif
