/* launch: the profile of a command: `echiond [options] command...`. Main thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_LAUNCH_H
#define ECHION_DAEMON_SERVICE_LAUNCH_H

#include "daemon/service/options.h"

/* Starts the command, profiles the first Python in it, and returns the command's exit status once
 * it has ended. What goes wrong with the profile is said and changes nothing for the command,
 * except that an output which cannot be created is found out before the command is started. May
 * leave the program itself, when a thread hangs. */
int launch_run(const struct options *options);

#endif
