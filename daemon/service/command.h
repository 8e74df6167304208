/* command: the command that a launch starts and waits for: our child, in our process group, with
 * our terminal, our standard streams, and the signals that we were started with: it is forked
 * before signals_init changes ours.
 *
 * We are not its subreaper: an orphan in it goes to init, as it would without us. It does not die
 * with us: it goes on. Owned by main and used by the main thread only. Cold. */
#ifndef ECHION_DAEMON_SERVICE_COMMAND_H
#define ECHION_DAEMON_SERVICE_COMMAND_H

#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/service/exit_status.h"

struct command {
    pid_t pid;    /* 0 once it has been reaped */
    int go;       /* writing a byte here lets it run; closing it without one ends it */
    int failure;  /* it writes the errno of a failed exec here; exec closes it */
    bool stopped; /* by a signal, when last looked at */
    int stopped_by;
    int wait_status; /* as waitpid gave it, once it has ended */
};

/* Forks a child that waits for command_start. With `stdout_to_stderr`, what the command writes to
 * its standard output goes to its standard error. `shim` is the path of what it is to preload
 * (daemon/service/shim_file.h), or "". Before any other thread starts. */
STATUS_CHECKED enum status command_prepare(struct command *command, char **argv, const char *shim,
                                           bool stdout_to_stderr, struct error *error);

/* Ends a child that has not been started, and releases everything else. */
void command_deinit(struct command *command);

/* Lets it run. When it cannot be executed `*exit_status` is 127 if there is no such command and 126
 * otherwise, as shells have it; the status is then STATUS_ABSENT or STATUS_DENIED. */
STATUS_CHECKED enum status command_start(struct command *command, const char *name,
                                         enum exit_status *exit_status, struct error *error);

/* Takes in what has happened to it. True once it has ended. Does not block. */
bool command_has_ended(struct command *command);

/* The status to exit with: its own, or 128 + the signal that ended it. */
int command_exit_status(const struct command *command);

/* After command_has_ended said no: if a signal of the terminal's job control stopped it, stops us
 * too, so that the shell that started us sees its job stop; returns when both are to go on. */
void command_follow_stop(struct command *command);

/* Passes a signal that was sent to us on, unless the command itself sent it or it came from the
 * kernel (a hang-up), which tells the whole process group. */
void command_pass_on(const struct command *command, const struct signalfd_siginfo *signal);

#endif
