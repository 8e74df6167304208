/* signals: which signals we take, ignore and leave alone. One per process; owned by main, used by
 * the main thread. Cold.
 *
 * Attached: INT, TERM and HUP arrive through the descriptor and end the profile. Launching: the
 * terminal's signals (INT, QUIT, TSTP, TTIN, TTOU) are the command's own and ignored here; TERM,
 * HUP, USR1 and USR2 arrive through the descriptor, to be passed on, as do CHLD and CONT. What was
 * ignored when we were started (nohup) stays ignored, but for INT when attached: it is how a script
 * ends what it runs in the background, and a shell starts that with INT ignored. PIPE and XFSZ are
 * ignored, so that a closed pipe and a file that grows too large are errors of write(2).
 *
 * The launched command keeps the signals that we were started with: it is forked before this
 * (command.h).
 */
#ifndef ECHION_DAEMON_SERVICE_SIGNALS_H
#define ECHION_DAEMON_SERVICE_SIGNALS_H

#include <stdbool.h>
#include <sys/signalfd.h>

#include "common/status.h"

struct signals {
    int fd; /* readable when a signal is there; close on exec */
};

/* To be called before any other thread starts: they inherit what is blocked here. */
STATUS_CHECKED enum status signals_init(struct signals *signals, bool launching,
                                        struct error *error);
void signals_deinit(struct signals *signals);

/* The next signal that has arrived; false if there is none. Does not block. */
bool signals_read(const struct signals *signals, struct signalfd_siginfo *out);

#endif
