/* confinement: whether a process has been shut in so that to load a library could end it. A
 * function; any thread. Cold. */
#ifndef ECHION_DAEMON_INJECT_CONFINEMENT_H
#define ECHION_DAEMON_INJECT_CONFINEMENT_H

#include <stdbool.h>

#include "common/status.h"
#include "daemon/target/process.h"

/* UNSUPPORTED: it must be left alone, and the text says why.
 *
 * A filter of system calls (seccomp(2)) may answer a call that the program itself never makes by
 * ending it; what it would answer cannot be asked without stopping the process. A process that
 * would exceed its limit of a file's size gets SIGXFSZ, which ends it. One that can open hardly any
 * file more would complain on its standard error. GONE, DENIED, SYS. */
STATUS_CHECKED enum status confinement_check(const struct process *process, struct error *error);

/* Whether its main thread has a filter, as may come at any time. GONE, SYS. */
STATUS_CHECKED enum status confinement_look(const struct process *process, bool *filtered);

#endif
