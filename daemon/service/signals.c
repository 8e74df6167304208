#include "daemon/service/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const int attach_taken[] = {SIGINT, SIGTERM, SIGHUP, 0};
static const int attach_ignored[] = {SIGPIPE, SIGXFSZ, 0};
static const int launch_taken[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGCONT, 0};
static const int launch_ignored[] = {SIGPIPE, SIGXFSZ, SIGINT,  SIGQUIT,
                                     SIGTSTP, SIGTTIN, SIGTTOU, 0};

static void set_disposition(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL);
}

/* Adds a signal, unless we were started with it ignored: blocked, it would arrive all the same. */
static void take(sigset_t *taken, int number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
        (void)sigaddset(taken, number);
    }
}

enum status signals_init(struct signals *signals, bool launching, struct error *error) {
    signals->fd = -1;
    for (const int *number = launching ? launch_ignored : attach_ignored; *number != 0; number++) {
        set_disposition(*number, SIG_IGN);
    }
    if (launching) {
        set_disposition(SIGCHLD, SIG_DFL); /* ignored, it would take exit statuses away */
    } else {
        set_disposition(SIGINT, SIG_DFL); /* scripts begin their background jobs with it ignored */
    }
    sigset_t taken;
    (void)sigemptyset(&taken);
    for (const int *number = launching ? launch_taken : attach_taken; *number != 0; number++) {
        take(&taken, *number);
    }
    int failed = pthread_sigmask(SIG_BLOCK, &taken, NULL);
    signals->fd = failed == 0 ? signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
    if (signals->fd < 0) {
        return error_set(error, STATUS_SYS, "cannot take signals: %s",
                         strerror(failed != 0 ? failed : errno));
    }
    return STATUS_OK;
}

void signals_deinit(struct signals *signals) {
    if (signals->fd >= 0) {
        (void)close(signals->fd);
        signals->fd = -1;
    }
}

bool signals_read(const struct signals *signals, struct signalfd_siginfo *out) {
    return read(signals->fd, out, sizeof *out) == (ssize_t)sizeof *out;
}
