/* starter HOW PROGRAM [ARGUMENT...]: starts a program by the function that HOW names, and says
 * which error that gave. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int wait_status(pid_t pid) {
    int status = 0;
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int spawn(const char *how, char **argv) {
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, "sub");
    int moves = strcmp(how, "posix_spawn_chdir") == 0;
    errno = 77;
    int error = (strcmp(how, "posix_spawnp") == 0 ? posix_spawnp : posix_spawn)(
        &pid, argv[0], moves ? &actions : NULL, NULL, argv, environ);
    if (error == 0 && errno != 77) {
        printf("errno has changed\n");
    }
    if (error != 0) {
        printf("%s: %s\n", how, strerrorname_np(error));
        return 9;
    }
    return wait_status(pid);
}

/* A child of vfork; the parent's memory must be as before, though the child shares it. */
static int start_vfork(char **argv) {
    volatile int seen = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        execve(argv[0], argv, environ);
        seen = errno;
        _exit(9);
    }
    int status = wait_status(pid);
    if (status == 9 && seen != 0) {
        printf("vfork: %s\n", strerrorname_np(seen));
    }
    return status;
}

/* A handler's stack has no room for anything. */
static char **handler_argv;

static void handler(int number) {
    (void)number;
    execve(handler_argv[0], handler_argv, environ);
    _exit(9);
}

static void start_in_handler(char **argv) {
    static char stack[16384];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    handler_argv = argv;
    sigaltstack(&alternate, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

static void start(const char *how, char **argv) {
    const char *file = argv[0], *one = argv[1], *two = one == NULL ? NULL : argv[2];
    char *given[] = {"GIVEN=1", "SECOND=2", NULL}, *none[] = {NULL};
    if (strcmp(how, "execve") == 0) {
        execve(file, argv, environ);
    } else if (strcmp(how, "execve_given") == 0) {
        execve(file, argv, given);
    } else if (strcmp(how, "execve_empty") == 0) {
        execve(file, argv, none);
    } else if (strcmp(how, "execve_null") == 0) {
        execve(file, argv, NULL);
    } else if (strcmp(how, "execv") == 0) {
        execv(file, argv);
    } else if (strcmp(how, "execvp") == 0) {
        execvp(file, argv);
    } else if (strcmp(how, "execvpe") == 0) {
        execvpe(file, argv, given);
    } else if (strcmp(how, "execl") == 0) {
        execl(file, file, one, two, NULL);
    } else if (strcmp(how, "execlp") == 0) {
        execlp(file, file, one, two, NULL);
    } else if (strcmp(how, "execle") == 0) {
        execle(file, file, one, two, NULL, given);
    } else if (strcmp(how, "execveat") == 0) {
        execveat(AT_FDCWD, file, argv, environ, 0);
    } else if (strcmp(how, "execveat_fd") == 0) {
        execveat(open(file, O_PATH), "", argv, environ, AT_EMPTY_PATH);
    } else if (strcmp(how, "fexecve") == 0) {
        fexecve(open(file, O_RDONLY), argv, environ);
    } else if (strcmp(how, "fexecve_null") == 0) {
        fexecve(open(file, O_RDONLY), argv, NULL);
    } else if (strcmp(how, "handler") == 0) {
        start_in_handler(argv);
    } else if (strcmp(how, "full_table") == 0) {
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, 1024});
        execve(file, argv, environ);
    } else if (strcmp(how, "bad_path") == 0) {
        execve((const char *)8, argv, environ);
    }
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 3) {
        return 64;
    }
    const char *how = argv[1];
    if (strncmp(how, "posix_spawn", 11) == 0) {
        return spawn(how, argv + 2);
    }
    if (strcmp(how, "vfork") == 0) {
        return start_vfork(argv + 2);
    }
    start(how, argv + 2);
    printf("%s: %s\n", how, strerrorname_np(errno));
    return 9;
}
