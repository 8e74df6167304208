/* request: asks the Python in a process to load a library, in the way that its version has. Owns
 * all that this takes in the target and here; one thread at a time. Cold, and can block as long as
 * memory_read can.
 *
 *     arm -> look, every few ms -> taken, or withdraw -> deinit, when nobody opens the files any
 * more */
#ifndef ECHION_DAEMON_INJECT_REQUEST_H
#define ECHION_DAEMON_INJECT_REQUEST_H

#include <stdbool.h>

#include "common/status.h"
#include "daemon/inject/loading.h"
#include "daemon/inject/remote_debug.h"
#include "daemon/python/runtime.h"
#include "daemon/target/process.h"

/* How long the files stay after the request has been taken by somebody, or withdrawn: a thread, or
 * a child forked meanwhile, may be about to open them. */
enum {
    REQUEST_TAKEN_MS = 500,
    REQUEST_RUN_MS = 100,      /* when it is known that the only one who took it has run it */
    REQUEST_WITHDRAWN_MS = 20, /* taken by nobody: it may be just happening */
};

struct request {
    const struct process *process; /* both outlive this */
    const struct runtime *runtime;
    struct loading loading;
    struct remote_debug debug;
};

#define REQUEST_NONE ((struct request){.loading = LOADING_NONE, .debug = REMOTE_DEBUG_NONE})

/* Whether there is a way into a Python of this version at all. */
bool request_can_be(const struct runtime *runtime);

/* Asks for it; inject/script.h says what the library exports. UNSUPPORTED: this Python has no way
 * in, its owner has closed it, it might do harm (inject/confinement.h), or there is no place for
 * the files. TORN: it starts or ends just now, or another debugger is in the way: later. CORRUPT,
 * GONE, DENIED, NOMEM, SYS. On failure nothing is asked for. */
STATUS_CHECKED enum status request_arm(const struct process *process, const struct runtime *runtime,
                                       const struct loading_library *library, struct request *out,
                                       struct error *error);

/* Whether it has been taken: somebody loads the library now, or has done so. To be called again and
 * again, as each look sees to it that whoever runs takes it. GONE: the program has ended.
 * UNSUPPORTED: it is to be left alone by now. TORN, SYS. */
STATUS_CHECKED enum status request_look(struct request *request, bool *taken);

/* Takes it back. Who took it before runs it all the same, and counts as a taker. GONE, TORN, SYS.
 */
STATUS_CHECKED enum status request_withdraw(struct request *request);

/* How many threads have taken it. */
unsigned request_takers(const struct request *request);

/* Removes the files: not before nobody can be about to open them. Accepts REQUEST_NONE. */
void request_deinit(struct request *request);

/* Removes what daemons that were killed have left for this process, unless something in it still
 * waits to be run. What fails is left for the next time. */
void request_sweep(const struct process *process, const struct runtime *runtime);

#endif
