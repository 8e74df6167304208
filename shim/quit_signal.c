#include "shim/quit_signal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "shim/publish.h"

/* Whether SIGQUIT does what it does by default. */
static bool is_default(void) {
    struct sigaction now;
    return sigaction(SIGQUIT, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 &&
           now.sa_handler == SIG_DFL;
}

/* It is blocked until this returns, so the default comes then. */
static void end_by_default(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGQUIT, &action, NULL);
    (void)raise(SIGQUIT);
}

static void on_quit(int number) {
    int kept_errno = errno;
    (void)number;
    if (publish_is_read() && publish_is_own()) {
        publish_process(RING_QUIT);
    } else {
        end_by_default();
    }
    errno = kept_errno;
}

void quit_signal_begin(void) {
    if (is_default()) {
        struct sigaction action = {.sa_handler = on_quit, .sa_flags = SA_RESTART | SA_ONSTACK};
        (void)sigemptyset(&action.sa_mask);
        (void)sigaction(SIGQUIT, &action, NULL);
    }
}
