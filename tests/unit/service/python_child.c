#include "python_child.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INTERPRETERS_MAX = 32 };

static const char system_interpreter[] = "/usr/bin/python3";

/* Adds pyenv's interpreters that we know layouts of. */
static void interpreters_add_pyenv(const char **found, unsigned count) {
    static glob_t pyenv;
    const char *home = getenv("HOME");
    char pattern[4096];
    (void)snprintf(pattern, sizeof pattern, "%s/.pyenv/versions/3.*/bin/python3",
                   home != NULL ? home : "");
    if (glob(pattern, 0, NULL, &pyenv) != 0) {
        return;
    }
    for (size_t i = 0; i < pyenv.gl_pathc && count < INTERPRETERS_MAX - 1; i++) {
        const char *version = strstr(pyenv.gl_pathv[i], "/versions/3.");
        unsigned long minor =
            version == NULL ? 0 : strtoul(version + strlen("/versions/3."), NULL, 10);
        if (layout_find(3, (unsigned)minor, sizeof(void *)) != NULL) {
            found[count++] = pyenv.gl_pathv[i];
        }
    }
}

const char *const *python_child_interpreters(void) {
    static const char *found[INTERPRETERS_MAX];
    const char *wanted = getenv("ECHION_PYTHONS");
    if (found[0] != NULL) {
        return found;
    }
    if (wanted == NULL) {
        found[0] = system_interpreter;
        interpreters_add_pyenv(found, 1);
        return found;
    }
    char *rest = strdup(wanted);
    for (unsigned count = 0; rest != NULL && count < INTERPRETERS_MAX - 1;) {
        found[count++] = strsep(&rest, ":");
    }
    return found;
}

/* Reads a line, and keeps what there is room for. */
static void line_read(int from, char *line, size_t capacity) {
    size_t size = 0;
    char byte = 0;
    for (;;) {
        cr_assert_eq(read(from, &byte, 1), 1, "the program ended");
        if (byte == '\n') {
            break;
        }
        if (size + 1 < capacity) {
            line[size++] = byte;
        }
    }
    if (capacity > 0) {
        line[size] = '\0';
    }
}

void python_child_start(const char *program, struct python_child *out) {
    python_child_start_as(system_interpreter, program, out);
}

void python_child_start_as(const char *interpreter, const char *program, struct python_child *out) {
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
    line_read(out->answers, NULL, 0);
    struct error error;
    cr_assert_eq(process_open(pid, &out->process, &error), STATUS_OK, "%s", error.text);
    cr_assert_eq(runtime_locate(&out->process, &out->runtime, &error), STATUS_OK, "%s", error.text);
}

void python_child_ask(const struct python_child *child, const char *line, char *answer,
                      size_t capacity) {
    cr_assert_eq(write(child->commands, line, strlen(line)), (ssize_t)strlen(line));
    line_read(child->answers, answer, capacity);
}

void python_child_tell(const struct python_child *child, const char *line) {
    python_child_ask(child, line, NULL, 0);
}

void python_child_end(struct python_child *child) {
    process_close(&child->process);
    (void)kill(child->pid, SIGKILL);
    (void)waitpid(child->pid, NULL, 0);
    (void)close(child->commands);
    (void)close(child->answers);
}
