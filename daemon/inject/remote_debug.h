/* remote_debug: asks a CPython of 3.14 or later to load a library, in the interpreter's own way
 * (PEP 768) and without stopping it: a script's path and a flag in a thread state, and the eval
 * breaker, at which the interpreter looks at a safe point with the GIL held. Owns the files that
 * the target loads from and the door to its memory; one thread at a time. Cold, and can block as
 * long as memory_read can.
 *
 *     arm -> look, every few ms -> taken, or withdraw -> deinit, when nobody opens the files any
 * more
 *
 * Asked is the main thread, and each other one that is seen holding the GIL for longer: nobody else
 * would run the script. The main thread's state lies inside _PyRuntime and is never freed. Other
 * states are freed when their threads end, and nothing but stopping the target could rule out that
 * one ends just between the check of it and the write, some microseconds later: so only threads
 * that are not new and run at this moment are asked, and each is checked again immediately before.
 *
 * We may be killed at any instant: the path stands before the flag does, the flag before the eval
 * breaker; each of the last two is a single byte. What has been asked for then is run later, from a
 * file that stays. */
#ifndef ECHION_DAEMON_INJECT_REMOTE_DEBUG_H
#define ECHION_DAEMON_INJECT_REMOTE_DEBUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/python/remote_offsets.h"
#include "daemon/python/runtime.h"
#include "daemon/target/memory_write.h"
#include "daemon/target/process.h"

/* A path fits what the target has room for (REMOTE_PATH_LEAST). */
enum { REMOTE_DEBUG_THREADS_MAX = 16, REMOTE_DEBUG_PATH_MAX = 128 };

/* A thread state that is, or may become, asked. */
struct remote_debug_thread {
    struct raddr state;
    uint64_t id;      /* PyThreadState.id, never given twice */
    uint64_t seen_ns; /* CLOCK_MONOTONIC, when it was first seen with the GIL */
    bool armed;
};

struct remote_debug {
    const struct process *process; /* both outlive this */
    const struct runtime *runtime;
    struct remote_offsets offsets;
    struct memory_write door;
    char script[REMOTE_DEBUG_PATH_MAX];
    struct raddr interpreter; /* the main one's PyInterpreterState */
    struct remote_debug_thread threads[REMOTE_DEBUG_THREADS_MAX];
    size_t thread_count;
    unsigned takers; /* threads that have taken the request */
};

#define REMOTE_DEBUG_NONE ((struct remote_debug){.door = MEMORY_WRITE_NONE})

/* Asks for it. `script` is the path of a file with Python text (inject/loading.h), as the target
 * sees it. UNSUPPORTED: this Python has no such way in, its owner has closed it, or the path is too
 * long. TORN: it starts or ends just now, or another debugger's request waits there: later.
 * CORRUPT, GONE, DENIED, NOMEM, SYS. On failure nothing is asked for. */
STATUS_CHECKED enum status remote_debug_arm(const struct process *process,
                                            const struct runtime *runtime, const char *script,
                                            struct remote_debug *out, struct error *error);

/* Whether a thread has taken the request: it runs the script now, or has run it. Until then each
 * look asks again where the eval breaker was lost, and asks other threads that run now; once it is
 * so, the others are not asked any longer. GONE: the program has ended. TORN, SYS. */
STATUS_CHECKED enum status remote_debug_look(struct remote_debug *debug, bool *taken);

/* Takes the request back. Who took it before runs it all the same, and counts as a taker. GONE,
 * TORN, SYS: as remote_debug_look. */
STATUS_CHECKED enum status remote_debug_withdraw(struct remote_debug *debug);

/* Whether a request, of anybody's, waits in a thread of the main interpreter. As remote_debug_arm.
 */
STATUS_CHECKED enum status remote_debug_waits(const struct process *process,
                                              const struct runtime *runtime, bool *waits);

/* Accepts REMOTE_DEBUG_NONE. What has been asked for and not withdrawn stays so. */
void remote_debug_deinit(struct remote_debug *debug);

#endif
