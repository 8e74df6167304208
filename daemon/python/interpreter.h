/* interpreter: the main PyInterpreterState of a target and the thread states in its list, for
 * whoever is about to write there: read through the same door as is written through
 * (memory_write). Functions only; one thread at a time. Cold.
 *
 * All of it is the target's word. Every list is bounded. */
#ifndef ECHION_DAEMON_PYTHON_INTERPRETER_H
#define ECHION_DAEMON_PYTHON_INTERPRETER_H

#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/python/runtime.h"
#include "daemon/target/memory_write.h"

/* The interpreter with the id 0. TORN: there is none (any more). CORRUPT: the list has no end.
 * Others as memory_write_get. */
STATUS_CHECKED enum status interpreter_main(const struct memory_write *door,
                                            const struct runtime *runtime, struct raddr *out);

/* Whether a thread state is linked in the interpreter's list, and its id (PyThreadState.id, never
 * given twice). TORN when it is not. */
STATUS_CHECKED enum status interpreter_thread(const struct memory_write *door,
                                              const struct runtime *runtime,
                                              struct raddr interpreter, struct raddr state,
                                              uint64_t *id);

/* The oldest thread state, and its id: new ones come to the front of the list. In the main
 * interpreter that is the main thread's, also in a child that another thread has forked. TORN:
 * there is none, or it has left just now. CORRUPT as above. */
STATUS_CHECKED enum status interpreter_oldest_thread(const struct memory_write *door,
                                                     const struct runtime *runtime,
                                                     struct raddr interpreter, struct raddr *out,
                                                     uint64_t *id);

#endif
