#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/service/command.h"
#include "daemon/service/signals.h"

static void wait_for_end(struct command *command) {
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 30000 && !command_has_ended(command); i++) {
        (void)nanosleep(&pause, NULL);
    }
    cr_assert(command_has_ended(command));
}

static int run(const char *script) {
    char shell[] = "sh", option[] = "-c";
    char *text = strdup(script);
    char *argv[] = {shell, option, text, NULL};
    struct command command;
    struct error error = {.text = ""};
    enum exit_status exit_status = EXIT_STATUS_OK;
    cr_assert_eq(command_prepare(&command, argv, "", false, &error), STATUS_OK, "%s", error.text);
    cr_assert_eq(command_start(&command, "sh", &exit_status, &error), STATUS_OK, "%s", error.text);
    wait_for_end(&command);
    command_deinit(&command);
    free(text);
    return command_exit_status(&command);
}

Test(command, exits_with_its_own_status) {
    cr_assert_eq(run("exit 0"), 0);
    cr_assert_eq(run("exit 77"), 77);
    cr_assert_eq(run("kill -TERM $$"), 128 + SIGTERM);
    cr_assert_eq(run("kill -KILL $$"), 128 + SIGKILL);
}

static void expect_failure(const char *name, enum status expected, enum exit_status exit_expected) {
    char *text = strdup(name);
    char *argv[] = {text, NULL};
    struct command command;
    struct error error = {.text = ""};
    enum exit_status exit_status = EXIT_STATUS_OK;
    cr_assert_eq(command_prepare(&command, argv, "", false, &error), STATUS_OK);
    cr_assert_eq(command_start(&command, name, &exit_status, &error), expected, "%s", name);
    cr_assert_eq(exit_status, exit_expected, "%s", name);
    cr_assert_not_null(strstr(error.text, name));
    cr_assert_eq(command.pid, 0, "it has been reaped");
    command_deinit(&command);
    free(text);
}

Test(command, cannot_be_run) {
    expect_failure("/no/such/file", STATUS_ABSENT, EXIT_STATUS_NOT_FOUND);
    expect_failure("no-such-command-in-path", STATUS_ABSENT, EXIT_STATUS_NOT_FOUND);
    expect_failure("/", STATUS_DENIED, EXIT_STATUS_NOT_EXECUTABLE);
    expect_failure("/dev/null", STATUS_DENIED, EXIT_STATUS_NOT_EXECUTABLE);
}

Test(command, that_is_not_started_ends_without_a_trace) {
    char path[] = "/tmp/echion-command-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(unlink(path), 0);
    char touch[] = "touch";
    char *argv[] = {touch, path, NULL};
    struct command command;
    struct error error;
    cr_assert_eq(command_prepare(&command, argv, "", false, &error), STATUS_OK);
    command_deinit(&command);
    cr_assert_eq(command.pid, 0);
    cr_assert_eq(access(path, F_OK), -1);
    (void)close(fd);
}

Test(command, gets_the_signals_that_we_were_started_with) {
    struct command command;
    struct signals signals;
    struct error error = {.text = ""};
    enum exit_status exit_status = EXIT_STATUS_OK;
    char grep[] = "grep", quiet[] = "-q", file[] = "/proc/self/status";
    char nothing[] = "^SigBlk:\t0*$";
    char *argv[] = {grep, quiet, nothing, file, NULL};
    cr_assert_eq(command_prepare(&command, argv, "", false, &error), STATUS_OK);
    cr_assert_eq(signals_init(&signals, true, &error), STATUS_OK);
    cr_assert_eq(command_start(&command, "grep", &exit_status, &error), STATUS_OK);
    wait_for_end(&command);
    cr_assert_eq(command_exit_status(&command), 0);
    struct signalfd_siginfo info;
    cr_assert(signals_read(&signals, &info));
    cr_assert_eq(info.ssi_signo, SIGCHLD);
    signals_deinit(&signals);
    command_deinit(&command);
}
