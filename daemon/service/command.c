#include "daemon/service/command.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/guard.h"
#include "common/preload.h"
#include "common/program_name.h"
#include "common/shim_path.h"
#include "daemon/target/process_stat.h"

enum { ANCESTORS_MAX = 64 };

/* execvp, with the shim that suits the program in its environment, if there is one. As the shim
 * itself does it for those that follow (shim/exec.c). */
static void exec_with(const char *shim, char **argv) {
    char **before = environ;
    char entry[SHIM_PATH_MAX];
    struct preload_room room;
    enum program_loader loader = *shim == '\0' ? PROGRAM_OTHER : program_name_loader(argv[0]);
    if (loader == PROGRAM_TEXT) {
        loader = program_file_loader(AT_FDCWD, _PATH_BSHELL);
    }
    if (shim_path_of(shim, loader, entry) && shim_path_loads(entry, loader) &&
        preload_measure(environ, entry, &room)) {
        GUARD_FREE char **array = malloc(room.pointers * sizeof *array);
        GUARD_FREE char *text = malloc(room.bytes);
        if (array != NULL && text != NULL) {
            preload_add(environ, entry, array, text);
            environ = array;
            (void)execvp(argv[0], argv);
            environ = before;
            if (errno != E2BIG) { /* which our entry may have made it */
                return;
            }
        }
    }
    (void)execvp(argv[0], argv);
}

/* In the child, before which we had one thread. */
_Noreturn static void become(char **argv, const char *shim, bool stdout_to_stderr, int go,
                             int failure) {
    char byte;
    ssize_t got;
    do {
        got = read(go, &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1) {
        _exit(EXIT_STATUS_SYSTEM); /* called off: nobody looks at this status */
    }
    if (stdout_to_stderr && dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        (void)close(STDOUT_FILENO); /* no standard error either */
    }
    exec_with(shim, argv);
    int errnum = errno;
    (void)!write(failure, &errnum, sizeof errnum);
    _exit(EXIT_STATUS_NOT_FOUND);
}

enum status command_prepare(struct command *command, char **argv, const char *shim,
                            bool stdout_to_stderr, struct error *error) {
    int go[2] = {-1, -1};
    int failure[2] = {-1, -1};
    *command = (struct command){.go = -1, .failure = -1};
    if (pipe2(go, O_CLOEXEC) != 0 || pipe2(failure, O_CLOEXEC) != 0) {
        int errnum = errno;
        guard_fd_close(&go[0]);
        guard_fd_close(&go[1]);
        return error_set(error, STATUS_SYS, "cannot make a pipe: %s", strerror(errnum));
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(go[1]);
        (void)close(failure[0]);
        become(argv, shim, stdout_to_stderr, go[0], failure[1]);
    }
    int errnum = errno;
    (void)close(go[0]);
    (void)close(failure[1]);
    command->go = go[1];
    command->failure = failure[0];
    if (pid < 0) {
        command_deinit(command);
        return error_set(error, STATUS_SYS, "cannot start a process: %s", strerror(errnum));
    }
    command->pid = pid;
    return STATUS_OK;
}

void command_deinit(struct command *command) {
    bool called_off = command->go >= 0 && command->pid > 0;
    guard_fd_close(&command->go);
    guard_fd_close(&command->failure);
    command->go = -1;
    command->failure = -1;
    if (called_off) {
        while (waitpid(command->pid, &command->wait_status, 0) < 0 && errno == EINTR) {
        }
        command->pid = 0;
    }
}

enum status command_start(struct command *command, const char *name, enum exit_status *exit_status,
                          struct error *error) {
    int errnum = 0;
    ssize_t got;
    (void)!write(command->go, "", 1);
    guard_fd_close(&command->go);
    command->go = -1;
    do {
        got = read(command->failure, &errnum, sizeof errnum);
    } while (got < 0 && errno == EINTR);
    guard_fd_close(&command->failure);
    command->failure = -1;
    if (got != (ssize_t)sizeof errnum) {
        return STATUS_OK; /* exec closed the pipe; or a signal ended the child, which we shall see
                           */
    }
    while (waitpid(command->pid, &command->wait_status, 0) < 0 && errno == EINTR) {
    }
    command->pid = 0;
    if (errnum == ENOENT) {
        *exit_status = EXIT_STATUS_NOT_FOUND;
        return error_set(error, STATUS_ABSENT, "cannot run '%s': there is no such command", name);
    }
    *exit_status = EXIT_STATUS_NOT_EXECUTABLE;
    return error_set(error, STATUS_DENIED, "cannot run '%s': %s", name, strerror(errnum));
}

bool command_has_ended(struct command *command) {
    int status = 0;
    while (command->pid > 0) {
        pid_t changed = waitpid(command->pid, &status, WNOHANG | WUNTRACED | WCONTINUED);
        if (changed < 0 && errno == EINTR) {
            continue;
        }
        if (changed <= 0) {
            return changed < 0; /* ECHILD: somebody else took it; its status is lost */
        }
        if (WIFSTOPPED(status)) {
            command->stopped = true;
            command->stopped_by = WSTOPSIG(status);
        } else if (WIFCONTINUED(status)) {
            command->stopped = false;
        } else {
            command->wait_status = status;
            command->pid = 0;
        }
    }
    return true;
}

int command_exit_status(const struct command *command) {
    if (WIFSIGNALED(command->wait_status)) {
        return EXIT_STATUS_SIGNAL + WTERMSIG(command->wait_status);
    }
    return WEXITSTATUS(command->wait_status);
}

/* Whether our process group is the one in front at its terminal: then the stop of the command would
 * leave the user without a prompt. */
static bool is_in_foreground(void) {
    GUARD_FD int terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return terminal >= 0 && tcgetpgrp(terminal) == getpgrp();
}

static bool read_stat(pid_t pid, struct process_stat *out) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d", (int)pid);
    GUARD_FD int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return folder >= 0 && process_stat_read(folder, out) == STATUS_OK;
}

/* A shell continues the whole process group; who continues only us means the command. */
static void continue_if_stopped(const struct command *command) {
    struct process_stat stat;
    if (command->pid > 0 && read_stat(command->pid, &stat) && stat.state == 'T') {
        (void)kill(command->pid, SIGCONT);
    }
}

void command_follow_stop(struct command *command) {
    if (!command->stopped) {
        return;
    }
    bool by_job_control = command->stopped_by == SIGTSTP || command->stopped_by == SIGTTIN ||
                          command->stopped_by == SIGTTOU;
    command->stopped = false;
    if (by_job_control || is_in_foreground()) {
        (void)kill(getpid(), SIGSTOP);
        continue_if_stopped(command);
    }
}

static bool is_sent_by(const struct command *command, pid_t sender) {
    for (int i = 0; i < ANCESTORS_MAX && sender > 1; i++) {
        struct process_stat stat;
        if (sender == command->pid) {
            return true;
        }
        if (!read_stat(sender, &stat)) {
            return false;
        }
        sender = stat.parent;
    }
    return false;
}

void command_pass_on(const struct command *command, const struct signalfd_siginfo *signal) {
    if (signal->ssi_signo == SIGCONT) {
        continue_if_stopped(command);
        return;
    }
    /* ssi_code is above 0 where the kernel is the sender; kill(2) has SI_USER, 0. */
    if (command->pid > 0 && signal->ssi_code <= 0 && !is_sent_by(command, (pid_t)signal->ssi_pid)) {
        (void)kill(command->pid, (int)signal->ssi_signo);
    }
}
