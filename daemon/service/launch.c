#include "daemon/service/launch.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/service/clock.h"
#include "daemon/service/command.h"
#include "daemon/service/notice.h"
#include "daemon/service/outcome.h"
#include "daemon/service/output_file.h"
#include "daemon/service/scout.h"
#include "daemon/service/session.h"
#include "daemon/service/signals.h"

struct launch {
    const struct options *options;
    struct command command;
    pid_t command_pid; /* stays when it has been reaped */
    struct signals signals;
    struct scout *scout;        /* NULL: could not be started */
    struct output_file *output; /* NULL: the session has it */
    char *output_name;
    struct session *session; /* NULL: none, or it is over */
    bool explained;          /* why there is no profile, or that there is one, has been said */
    bool ended;              /* the command has */
    bool stuck;              /* a thread hangs for good */
};

static enum status open_output(struct launch *launch, pid_t pid, struct error *error) {
    const struct options *options = launch->options;
    enum status status =
        output_file_open(options->output, options->format_given ? &options->format : NULL, pid,
                         &launch->output, error);
    if (status == STATUS_OK) {
        free(launch->output_name);
        launch->output_name = strdup(output_file_name(launch->output));
        status = launch->output_name != NULL ? STATUS_OK
                                             : error_set(error, STATUS_NOMEM, "out of memory");
    }
    return status;
}

/* The output was opened for the command's own pid; the Python in it may have another. */
static enum status fit_output(struct launch *launch, pid_t pid, struct error *error) {
    if (pid == launch->command_pid || strstr(launch->options->output, "%(pid)") == NULL) {
        return STATUS_OK;
    }
    output_file_destroy(launch->output);
    launch->output = NULL;
    return open_output(launch, pid, error);
}

static void begin_session(struct launch *launch, struct scout_news *news) {
    struct error error = {.text = ""};
    launch->explained = true;
    enum status status = fit_output(launch, news->pid, &error);
    if (status != STATUS_OK) {
        process_close(&news->find.process);
    } else {
        struct output_file *output = launch->output;
        launch->output = NULL;
        status = session_start(launch->options, news->pid, &news->find, output, &launch->session,
                               &error);
    }
    if (status != STATUS_OK) {
        notice_say("the command goes on without a profile: %s", error.text);
    }
}

static void take_news(struct launch *launch) {
    struct scout_news news;
    while (launch->scout != NULL && scout_take(launch->scout, &news)) {
        switch (news.topic) {
        case SCOUT_FOUND:
            begin_session(launch, &news);
            break;
        case SCOUT_OTHER:
            notice_say(
                "process %d is another Python beside the one that is profiled; to profile it "
                "too: -p %d",
                (int)news.pid, (int)news.pid);
            break;
        case SCOUT_TROUBLE:
            launch->explained = true;
            notice_say("not profiled: %s", news.error.text);
            break;
        }
    }
}

static void take_signals(struct launch *launch) {
    struct signalfd_siginfo signal;
    while (signals_read(&launch->signals, &signal)) {
        if (signal.ssi_signo == SIGCHLD) {
            continue;
        }
        if (!launch->ended) {
            command_pass_on(&launch->command, &signal);
        } else if (signal.ssi_signo != SIGCONT && launch->session != NULL) {
            session_give_up(launch->session);
        }
    }
}

static void end_session(struct launch *launch) {
    struct session_result result;
    session_end(launch->session, &result);
    launch->session = NULL;
    launch->stuck |= result.stuck;
    (void)outcome_tell(&result, launch->options, launch->output_name);
}

static void sleep_until_news(const struct launch *launch) {
    struct pollfd fds[4] = {{.fd = launch->signals.fd, .events = POLLIN}};
    nfds_t count = 1;
    int timeout_ms = -1;
    if (launch->scout != NULL) {
        fds[count++] = (struct pollfd){.fd = scout_bell(launch->scout), .events = POLLIN};
    }
    if (launch->session != NULL) {
        fds[count++] = (struct pollfd){.fd = session_bell(launch->session), .events = POLLIN};
        fds[count++] = (struct pollfd){.fd = session_end_bell(launch->session), .events = POLLIN};
        timeout_ms = clock_milliseconds_until(session_due_ns(launch->session));
    }
    (void)poll(fds, count, timeout_ms);
}

/* Until the command has ended and its profile is written. */
static void watch(struct launch *launch) {
    for (;;) {
        if (!launch->ended && command_has_ended(&launch->command)) {
            launch->ended = true;
            if (launch->session != NULL) {
                session_stop(launch->session);
            }
        }
        if (!launch->ended) {
            command_follow_stop(&launch->command);
            take_news(launch);
        }
        if (launch->session != NULL && !session_tick(launch->session)) {
            end_session(launch);
        }
        if (launch->ended && launch->session == NULL) {
            return;
        }
        sleep_until_news(launch);
        take_signals(launch);
    }
}

static void end_scout(struct launch *launch) {
    struct error denied = {.text = ""};
    if (launch->scout == NULL) {
        return;
    }
    launch->stuck |= !scout_end(launch->scout, &denied);
    if (!launch->explained) {
        notice_say("no Python was found in '%s'%s%s", launch->options->command[0],
                   *denied.text != '\0' ? "; one process could not be looked at: " : "",
                   denied.text);
    }
}

static int run_command(struct launch *launch) {
    const struct options *options = launch->options;
    struct error error = {.text = ""};
    enum exit_status exit_status = EXIT_STATUS_SYSTEM;
    enum status status = signals_init(&launch->signals, true, &error);
    if (status == STATUS_OK) {
        status = command_start(&launch->command, options->command[0], &exit_status, &error);
    }
    if (status != STATUS_OK) {
        notice_say("%s", error.text);
        return exit_status;
    }
    notice_explain("started '%s' as process %d; looking for the first Python in it",
                   options->command[0], (int)launch->command_pid);
    if (scout_start(launch->command_pid, &launch->scout, &error) != STATUS_OK) {
        launch->explained = true;
        notice_say("the command goes on without a profile: %s", error.text);
    }
    watch(launch);
    end_scout(launch);
    return command_exit_status(&launch->command);
}

int launch_run(const struct options *options) {
    struct launch launch = {.options = options, .signals = {.fd = -1}};
    struct error error = {.text = ""};
    enum status status = command_prepare(&launch.command, options->command,
                                         output_pattern_is_stdout(options->output), &error);
    if (status != STATUS_OK) {
        notice_say("%s", error.text);
        return EXIT_STATUS_SYSTEM;
    }
    launch.command_pid = launch.command.pid;
    int exit_status;
    status = open_output(&launch, launch.command_pid, &error);
    if (status != STATUS_OK) {
        notice_say("%s; the command was not started", error.text);
        exit_status = outcome_of_output(status);
    } else {
        exit_status = run_command(&launch);
    }
    output_file_destroy(launch.output);
    if (launch.stuck) {
        _exit(exit_status);
    }
    command_deinit(&launch.command);
    signals_deinit(&launch.signals);
    free(launch.output_name);
    return exit_status;
}
