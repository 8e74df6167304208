/* simple_string: where a target has PyRun_SimpleString, the function that runs a text. A function
 * only; any thread. Cold: reads files where the interpreter does not export its symbols. */
#ifndef ECHION_DAEMON_INJECT_SIMPLE_STRING_H
#define ECHION_DAEMON_INJECT_SIMPLE_STRING_H

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/python/runtime.h"
#include "daemon/target/mappings.h"
#include "daemon/target/process.h"

/* Looks in the object with the interpreter's state, then in the others: a program may have a copy
 * of that state while the code is in a library. UNSUPPORTED: it is not to be found. GONE, DENIED,
 * NOMEM, SYS. */
STATUS_CHECKED enum status simple_string_find(const struct process *process,
                                              const struct runtime *runtime,
                                              const struct mappings *mappings, struct raddr *out,
                                              struct error *error);

#endif
