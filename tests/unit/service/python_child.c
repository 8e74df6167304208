#include "python_child.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char interpreter[] = "/usr/bin/python3";

static void line_await(int from) {
    char byte = 0;
    do {
        cr_assert_eq(read(from, &byte, 1), 1, "the program ended");
    } while (byte != '\n');
}

void python_child_start(const char *program, struct python_child *out) {
    int commands[2];
    int answers[2];
    if (access(interpreter, X_OK) != 0) {
        cr_skip_test("%s is not here", interpreter);
    }
    cr_assert_eq(pipe2(commands, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(answers, O_CLOEXEC), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(commands[0], STDIN_FILENO);
        (void)dup2(answers[1], STDOUT_FILENO);
        (void)execl(interpreter, interpreter, "-S", "-u", "-c", program, (char *)NULL);
        _exit(127);
    }
    (void)close(commands[0]);
    (void)close(answers[1]);
    *out = (struct python_child){.pid = pid, .commands = commands[1], .answers = answers[0]};
    line_await(out->answers);
    struct error error;
    cr_assert_eq(process_open(pid, &out->process, &error), STATUS_OK, "%s", error.text);
    cr_assert_eq(runtime_locate(&out->process, &out->runtime, &error), STATUS_OK, "%s", error.text);
}

void python_child_tell(const struct python_child *child, const char *line) {
    cr_assert_eq(write(child->commands, line, strlen(line)), (ssize_t)strlen(line));
    line_await(child->answers);
}

void python_child_end(struct python_child *child) {
    process_close(&child->process);
    (void)kill(child->pid, SIGKILL);
    (void)waitpid(child->pid, NULL, 0);
    (void)close(child->commands);
    (void)close(child->answers);
}
