/* where: `echion where PID`: what a process does at this moment, and where its threads stand. Main
 * thread. Cold.
 *
 * The process is looked at by a thread of its own, since its memory may not answer: then what /proc
 * tells is shown, within a second. */
#ifndef ECHION_DAEMON_SERVICE_WHERE_H
#define ECHION_DAEMON_SERVICE_WHERE_H

#include "daemon/service/options.h"

/* Prints it to standard output; the exit status. May leave a thread behind that hangs in the
 * target's memory, after which nothing is to be freed: see `stuck`, the caller then leaves by
 * _exit. */
int where_run(const struct options *options, bool *stuck);

#endif
