#include "daemon/service/launch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/service/clock.h"
#include "daemon/service/command.h"
#include "daemon/service/family.h"
#include "daemon/service/notice.h"
#include "daemon/service/outcome.h"
#include "daemon/service/output_file.h"
#include "daemon/service/shim_file.h"
#include "daemon/service/signals.h"

struct launch {
    const struct options *options;
    struct command command;
    struct shim_file shim;
    struct signals signals;
    struct family *family;
    bool over;  /* the profile is */
    bool ended; /* the command has */
};

static void take_signals(struct launch *launch) {
    struct signalfd_siginfo signal;
    while (signals_read(&launch->signals, &signal)) {
        if (signal.ssi_signo == SIGCHLD) {
            continue;
        }
        if (!launch->ended) {
            command_pass_on(&launch->command, &signal);
        } else if (signal.ssi_signo != SIGCONT && !launch->over) {
            family_give_up(launch->family);
        }
    }
}

/* Who reads the profile from our standard output sees its end now, not when the command has ended.
 */
static void stdout_leave(void) {
    GUARD_FD int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0) {
        (void)dup2(null, STDOUT_FILENO);
    }
}

static void end_profile(struct launch *launch, bool tell) {
    struct family_result result;
    family_end(launch->family, &result);
    launch->over = true;
    if (tell) {
        (void)outcome_tell(&result, launch->options);
    }
    if (output_pattern_is_stdout(launch->options->output)) {
        stdout_leave();
    }
}

static void sleep_until_news(const struct launch *launch) {
    struct pollfd fds[2] = {{.fd = launch->signals.fd, .events = POLLIN}};
    nfds_t count = 1;
    int timeout_ms = -1;
    if (!launch->over) {
        fds[count++] = (struct pollfd){.fd = family_bell(launch->family), .events = POLLIN};
        timeout_ms = clock_milliseconds_until(family_due_ns(launch->family));
    }
    (void)poll(fds, count, timeout_ms);
}

/* Until the command has ended and its profile is written. */
static void watch(struct launch *launch) {
    for (;;) {
        if (!launch->ended && command_has_ended(&launch->command)) {
            launch->ended = true;
            if (!launch->over) {
                notice_explain("finishing: the command has ended");
                family_stop(launch->family);
            }
        }
        if (!launch->ended) {
            command_follow_stop(&launch->command);
        }
        if (!launch->over && !family_tick(launch->family)) {
            end_profile(launch, true);
        }
        if (launch->ended && launch->over) {
            return;
        }
        sleep_until_news(launch);
        take_signals(launch);
    }
}

/* Starts the profile, which looks for a Python already, then the command. */
static int run_command(struct launch *launch, struct output_file *output) {
    const char *name = launch->options->command[0];
    pid_t pid = launch->command.pid;
    struct error error = {.text = ""};
    enum status status = signals_init(&launch->signals, true, &error);
    if (status != STATUS_OK) {
        output_file_destroy(output);
    } else {
        status = family_start(launch->options, pid, true, output, &launch->family, &error);
    }
    if (status != STATUS_OK) {
        notice_say("%s; the command was not started", error.text);
        return EXIT_STATUS_SYSTEM;
    }
    enum exit_status exit_status = EXIT_STATUS_SYSTEM;
    status = command_start(&launch->command, name, &exit_status, &error);
    if (status != STATUS_OK) {
        notice_say("%s", error.text);
        family_stop(launch->family);
        while (family_tick(launch->family)) {
            sleep_until_news(launch);
        }
        end_profile(launch, false);
        return (int)exit_status;
    }
    notice_explain("started '%s' as process %d; looking for the first Python in it", name,
                   (int)pid);
    watch(launch);
    return command_exit_status(&launch->command);
}

/* Without the shim the profile is what can be seen from outside. */
static void find_shim(struct launch *launch) {
    struct error error = {.text = ""};
    if (launch->options->no_shim) {
        notice_explain("sampling from outside, without the shim");
    } else if (shim_file_open(launch->options->stealth, &launch->shim, &error) != STATUS_OK) {
        notice_say("the shim is not used, sampling goes on from outside: %s", error.text);
    } else {
        notice_explain("the shim is %s; %s", launch->shim.path,
                       launch->shim.for_32_bits ? "there is one for 32-bit programs too"
                                                : "32-bit programs go without");
    }
}

int launch_run(const struct options *options) {
    struct launch launch = {
        .options = options, .shim = {.copies = {-1, -1}}, .signals = {.fd = -1}};
    struct output_file *output = NULL;
    struct error error = {.text = ""};
    find_shim(&launch);
    enum status status = command_prepare(&launch.command, options->command, launch.shim.path,
                                         output_pattern_is_stdout(options->output), &error);
    if (status != STATUS_OK) {
        notice_say("%s", error.text);
        shim_file_close(&launch.shim);
        return EXIT_STATUS_SYSTEM;
    }
    int exit_status;
    status = output_file_open(options->output, options->format_given ? &options->format : NULL,
                              launch.command.pid, &output, &error);
    if (status != STATUS_OK) {
        notice_say("%s; the command was not started", error.text);
        exit_status = outcome_of_output(status);
    } else {
        exit_status = run_command(&launch, output);
    }
    const bool hangs = !family_destroy(launch.family);
    command_deinit(&launch.command);
    signals_deinit(&launch.signals);
    shim_file_close(&launch.shim);
    if (hangs) {
        _exit(exit_status);
    }
    return exit_status;
}
