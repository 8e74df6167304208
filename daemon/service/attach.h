/* attach: the profile of a running process: `echiond -p PID`. Main thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_ATTACH_H
#define ECHION_DAEMON_SERVICE_ATTACH_H

#include "daemon/service/options.h"

/* Profiles until the process ends, the exposure is over, a signal comes or nobody reads the output.
 * Says what there is to say, and returns the exit status; may leave the program itself, when a
 * thread hangs. */
int attach_run(const struct options *options);

#endif
