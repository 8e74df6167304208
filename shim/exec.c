#include "shim/exec.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/preload.h"
#include "common/program_name.h"
#include "common/shim_path.h"
#include "shim/follow.h"
#include "shim/publish.h"
#include "shim/sandbox.h"
#include "shim/stack_room.h"
#include "shim/symbols.h"

#define EXPORTED __attribute__((visibility("default")))

enum {
    STACK_DECIDING = 12 * 1024,   /* what it takes to look at a program, generously */
    STACK_CHANGING = 1024 * 1024, /* no larger environment is changed */
};

/* The functions that come after ours. */
enum next {
    NEXT_EXECVE,
    NEXT_EXECVPE,
    NEXT_EXECVEAT,
    NEXT_FEXECVE,
    NEXT_SPAWN,
    NEXT_SPAWNP,
    NEXTS
};

static const char *const next_names[NEXTS] = {"execve",  "execvpe",     "execveat",
                                              "fexecve", "posix_spawn", "posix_spawnp"};

/* Written by exec_begin only. */
static struct {
    bool begun;
    void *next[NEXTS];
    char entry[SHIM_PATH_MAX];
} exec;

/* A program that is to be started, and how. `go` starts it with an environment and returns the
 * number of the error if that fails; for posix_spawn, 0 if it does not. */
struct start {
    int (*go)(const struct start *start, char *const *env);
    const char *path;
    char *const *argv;
    int folder, flags; /* of execveat */
    bool in_path;      /* look for it in PATH */
    bool by_shell;     /* if the kernel does not know what it is */
    bool elsewhere;    /* it is not to be found where we would look */
    pid_t *pid;        /* of posix_spawn */
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attributes;
};

bool exec_begin(char **env) {
    if (!symbols_own_path(exec.entry, sizeof exec.entry) || exec.entry[0] != '/' ||
        !preload_remove(env, environ == env ? NULL : environ, exec.entry)) {
        exec.entry[0] = '\0';
        return false;
    }
    sandbox_begin();
    for (unsigned i = 0; i < NEXTS; i++) {
        exec.next[i] = symbols_find_next(next_names[i]);
    }
    exec.begun = true;
    return true;
}

const char *exec_entry(void) {
    return exec.entry;
}

/* Another library's constructor may run before ours. */
static void *next_of(enum next next) {
    return exec.begun ? exec.next[next] : symbols_find_next(next_names[next]);
}

static bool find_entry(const struct start *start, char entry[static SHIM_PATH_MAX]) {
    enum program_loader loader = start->in_path ? program_name_loader(start->path)
                                                : program_file_loader(start->folder, start->path);
    if (loader == PROGRAM_TEXT && start->by_shell) {
        loader = program_file_loader(AT_FDCWD, _PATH_BSHELL);
    }
    return shim_path_of(exec.entry, loader, entry) && shim_path_loads(entry, loader);
}

static int go_spawn(const struct start *start, char *const *env);

/* Starts it with the entry in its environment, if that is to be and can be. */
static int start_program(const struct start *start, char *const *env) {
    if (sandbox_is_entered()) {
        return start->go(start, env);
    }
    int errnum = errno;
    char entry[SHIM_PATH_MAX];
    struct preload_room room;
    publish_process(RING_EXECS);
    bool adds = exec.entry[0] != '\0' && !start->elsewhere && follow_exec(start->go != go_spawn) &&
                stack_room_is(STACK_DECIDING) && find_entry(start, entry) &&
                preload_measure(env, entry, &room) &&
                room.pointers < STACK_CHANGING / sizeof(char *) && room.bytes < STACK_CHANGING;
    if (adds) {
        size_t size = room.pointers * sizeof(char *) + room.bytes;
        adds = size < STACK_CHANGING && stack_room_is(size + STACK_DECIDING);
    }
    if (adds) {
        char **array = alloca(room.pointers * sizeof *array);
        char *text = alloca(room.bytes);
        preload_add(env, entry, array, text);
        errno = errnum;
        int error = start->go(start, array);
        if (error != E2BIG) {
            return error;
        }
    }
    errno = errnum;
    return start->go(start, env);
}

static int exec_program(const struct start *start, char *const *env) {
    errno = start_program(start, env);
    return -1;
}

static int go_execve(const struct start *start, char *const *env) {
    int (*next)(const char *, char *const *, char *const *) = next_of(NEXT_EXECVE);
    (void)next(start->path, start->argv, env);
    return errno;
}

static int go_execvpe(const struct start *start, char *const *env) {
    int (*next)(const char *, char *const *, char *const *) = next_of(NEXT_EXECVPE);
    (void)next(start->path, start->argv, env);
    return errno;
}

/* glibc has it from 2.34 on. */
static int go_execveat(const struct start *start, char *const *env) {
    int (*next)(int, const char *, char *const *, char *const *, int) = next_of(NEXT_EXECVEAT);
    if (next != NULL) {
        (void)next(start->folder, start->path, start->argv, env, start->flags);
    } else {
        (void)syscall(SYS_execveat, start->folder, start->path, start->argv, env, start->flags);
    }
    return errno;
}

static int go_fexecve(const struct start *start, char *const *env) {
    int (*next)(int, char *const *, char *const *) = next_of(NEXT_FEXECVE);
    (void)next(start->folder, start->argv, env);
    return errno;
}

static int go_spawn(const struct start *start, char *const *env) {
    int (*next)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                const posix_spawnattr_t *, char *const *, char *const *) =
        next_of(start->in_path ? NEXT_SPAWNP : NEXT_SPAWN);
    return next(start->pid, start->path, start->actions, start->attributes, start->argv, env);
}

static int exec_path(const char *path, char *const *argv, char *const *env) {
    const struct start start = {.go = go_execve, .path = path, .argv = argv, .folder = AT_FDCWD};
    return exec_program(&start, env);
}

static int exec_name(const char *name, char *const *argv, char *const *env) {
    const struct start start = {
        .go = go_execvpe, .path = name, .argv = argv, .in_path = true, .by_shell = true};
    return exec_program(&start, env);
}

EXPORTED int execve(const char *path, char *const argv[], char *const envp[]) {
    return exec_path(path, argv, envp);
}

EXPORTED int execv(const char *path, char *const argv[]) {
    return exec_path(path, argv, environ);
}

EXPORTED int execvpe(const char *file, char *const argv[], char *const envp[]) {
    return exec_name(file, argv, envp);
}

EXPORTED int execvp(const char *file, char *const argv[]) {
    return exec_name(file, argv, environ);
}

EXPORTED int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags) {
    const struct start start = {
        .go = go_execveat, .path = path, .argv = argv, .folder = fd, .flags = flags};
    return exec_program(&start, envp);
}

EXPORTED int fexecve(int fd, char *const argv[], char *const envp[]) {
    const struct start start = {.go = go_fexecve,
                                .path = "",
                                .argv = argv,
                                .folder = fd,
                                .elsewhere = envp == NULL}; /* which is an error, and remains one */
    return exec_program(&start, envp);
}

/* How many arguments there are before the NULL, `first` among them. */
static size_t arguments_count(const char *first, va_list *rest) {
    size_t count = 0;
    for (const char *argument = first; argument != NULL; argument = va_arg(*rest, const char *)) {
        count++;
    }
    return count;
}

/* Into an array of count + 1 pointers, up to the NULL. */
static void arguments_take(char **out, const char *first, va_list *rest) {
    const char *argument = first;
    for (; argument != NULL; argument = va_arg(*rest, const char *)) {
        memcpy(out++, &argument, sizeof argument);
    }
    *out = NULL;
}

/* The arguments as an array, on the stack of whoever calls it, as libc has them. */
#define ARGUMENTS(argv, first, list)                                                               \
    va_list again;                                                                                 \
    va_copy(again, list);                                                                          \
    char **argv = alloca((arguments_count(first, &again) + 1) * sizeof *argv);                     \
    va_end(again);                                                                                 \
    arguments_take(argv, first, &list)

EXPORTED int execl(const char *path, const char *arg, ...) {
    va_list list;
    va_start(list, arg);
    ARGUMENTS(argv, arg, list);
    va_end(list);
    return exec_path(path, argv, environ);
}

EXPORTED int execlp(const char *file, const char *arg, ...) {
    va_list list;
    va_start(list, arg);
    ARGUMENTS(argv, arg, list);
    va_end(list);
    return exec_name(file, argv, environ);
}

EXPORTED int execle(const char *path, const char *arg, ...) {
    va_list list;
    va_start(list, arg);
    ARGUMENTS(argv, arg, list);
    char *const *envp = va_arg(list, char *const *);
    va_end(list);
    return exec_path(path, argv, envp);
}

/* The actions may change the folder, in which the new process then looks for a path that is not
 * absolute. */
static bool is_elsewhere(const char *path, const posix_spawn_file_actions_t *actions) {
    return path == NULL ||
           (actions != NULL && actions->__used > 0 && path[0] != '/' && strchr(path, '/') != NULL);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is libc's. */
EXPORTED int posix_spawn(pid_t *pid, const char *path,
                         const posix_spawn_file_actions_t *file_actions,
                         const posix_spawnattr_t *attrp, char *const argv[], char *const envp[]) {
    const struct start start = {.go = go_spawn,
                                .path = path,
                                .argv = argv,
                                .folder = AT_FDCWD,
                                .elsewhere = is_elsewhere(path, file_actions),
                                .pid = pid,
                                .actions = file_actions,
                                .attributes = attrp};
    return start_program(&start, envp);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is libc's. */
EXPORTED int posix_spawnp(pid_t *pid, const char *file,
                          const posix_spawn_file_actions_t *file_actions,
                          const posix_spawnattr_t *attrp, char *const argv[], char *const envp[]) {
    const struct start start = {.go = go_spawn,
                                .path = file,
                                .argv = argv,
                                .in_path = true,
                                .elsewhere = is_elsewhere(file, file_actions),
                                .pid = pid,
                                .actions = file_actions,
                                .attributes = attrp};
    return start_program(&start, envp);
}
