/* exit_status: what echiond's exit status tells. The numbers are those of sysexits.h where it has
 * one. In launch the command's own status takes their place once the command has been started. */
#ifndef ECHION_DAEMON_SERVICE_EXIT_STATUS_H
#define ECHION_DAEMON_SERVICE_EXIT_STATUS_H

#include "common/status.h"

enum exit_status {
    EXIT_STATUS_OK = 0,
    EXIT_STATUS_USAGE = 64,           /* the command line makes no sense */
    EXIT_STATUS_NOT_PYTHON = 65,      /* the process is not a Python, or its data is nonsense */
    EXIT_STATUS_NO_PROCESS = 66,      /* no such process, or it ended before the first sample */
    EXIT_STATUS_UNKNOWN_PYTHON = 69,  /* a Python that this version does not know */
    EXIT_STATUS_INTERNAL = 70,        /* a mistake of ours: the counts do not add up */
    EXIT_STATUS_SYSTEM = 71,          /* a system call failed that has no reason to */
    EXIT_STATUS_OUTPUT = 73,          /* the output cannot be created */
    EXIT_STATUS_WRITE = 74,           /* writing to the output failed */
    EXIT_STATUS_NO_ANSWER = 75,       /* the process's memory does not answer; try again later */
    EXIT_STATUS_DENIED = 77,          /* the kernel does not let us read the process */
    EXIT_STATUS_NOT_EXECUTABLE = 126, /* launch: the command was found and could not be run */
    EXIT_STATUS_NOT_FOUND = 127,      /* launch: there is no such command */
    EXIT_STATUS_SIGNAL = 128,         /* launch: plus the number of the signal that ended it */
};

/* The exit status for a failure to find, read or sample a process. */
enum exit_status exit_status_of_target(enum status status);

#endif
