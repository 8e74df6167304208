#include "daemon/service/attach.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "daemon/service/clock.h"
#include "daemon/service/exit_status.h"
#include "daemon/service/family.h"
#include "daemon/service/notice.h"
#include "daemon/service/outcome.h"
#include "daemon/service/output_file.h"
#include "daemon/service/signals.h"
#include "daemon/service/summary.h"

#define PROGRESS_NS (500 * CLOCK_NS_PER_MS)
#define READER_PATIENCE_NS (5 * CLOCK_NS_PER_S) /* for a reader that hangs, after a signal */

struct attach {
    const struct options *options;
    struct family *family;
    bool shows_progress;
    uint64_t progress_due_ns;
    uint64_t give_up_ns; /* 0: nobody asked us to end */
};

/* The first signal ends the profile; the next one also what waits for the output's reader. */
static void take_signals(struct attach *attach, const struct signals *signals) {
    struct signalfd_siginfo signal;
    while (signals_read(signals, &signal)) {
        if (attach->give_up_ns != 0) {
            family_give_up(attach->family);
            return;
        }
        notice_explain("signal %u: ending the profile", signal.ssi_signo);
        attach->give_up_ns = clock_now_ns() + READER_PATIENCE_NS;
        family_stop(attach->family);
    }
}

static void watch(struct attach *attach, const struct signals *signals) {
    while (family_tick(attach->family)) {
        uint64_t now_ns = clock_now_ns();
        if (attach->give_up_ns != 0 && now_ns >= attach->give_up_ns) {
            family_give_up(attach->family);
            continue;
        }
        if (attach->shows_progress && now_ns >= attach->progress_due_ns) {
            struct sampler_counts counts;
            family_counts(attach->family, &counts);
            if (counts.start_ns != 0) {
                summary_show_progress(&counts);
            }
            attach->progress_due_ns = now_ns + PROGRESS_NS;
        }
        struct pollfd fds[] = {
            {.fd = signals->fd, .events = POLLIN},
            {.fd = family_bell(attach->family), .events = POLLIN},
        };
        (void)poll(fds, sizeof fds / sizeof fds[0],
                   clock_milliseconds_until(family_due_ns(attach->family)));
        take_signals(attach, signals);
    }
    notice_progress_end();
}

int attach_run(const struct options *options) {
    struct output_file *output = NULL;
    struct error error = {.text = ""};
    if (kill(options->pid, 0) != 0 && errno == ESRCH) {
        notice_say("there is no process %d: pgrep -a python lists those there are",
                   (int)options->pid);
        return EXIT_STATUS_NO_PROCESS;
    }
    enum status status =
        output_file_open(options->output, options->format_given ? &options->format : NULL,
                         options->pid, &output, &error);
    if (status != STATUS_OK) {
        notice_say("%s", error.text);
        return outcome_of_output(status);
    }
    struct signals signals;
    struct attach attach = {.options = options,
                            .shows_progress = !options->quiet && isatty(STDERR_FILENO) == 1};
    status = signals_init(&signals, false, &error);
    if (status != STATUS_OK) {
        output_file_destroy(output);
    } else {
        status = family_start(options, options->pid, false, output, &attach.family, &error);
    }
    if (status != STATUS_OK) {
        signals_deinit(&signals);
        notice_say("%s", error.text);
        return EXIT_STATUS_SYSTEM;
    }
    watch(&attach, &signals);

    struct family_result result;
    family_end(attach.family, &result);
    signals_deinit(&signals);
    int exit_status = outcome_tell(&result, options);
    if (!family_destroy(attach.family)) {
        _exit(exit_status);
    }
    return exit_status;
}
