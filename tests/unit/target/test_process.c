#include "daemon/target/process.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child.h"

static const char *const sleeping[] = {"/bin/sleep", "1000", NULL};

static enum status open_fails(pid_t pid, const char *because) {
    struct process process = {.pid = -7};
    struct error error = {.text = ""};
    enum status status = process_open(pid, &process, &error);
    cr_assert_neq(status, STATUS_OK);
    cr_assert_eq(process.pid, -7, "the output was touched");
    cr_assert_eq(error.status, status);
    cr_assert_not_null(strstr(error.text, because), "'%s' lacks '%s'", error.text, because);
    return status;
}

static bool ended(const struct process *process, int timeout_ms) {
    struct pollfd bell = {.fd = process->pidfd, .events = POLLIN};
    return poll(&bell, 1, timeout_ms) == 1;
}

Test(process, identity) {
    struct child child = child_exec(sleeping);
    struct process process = child_open(&child);
    cr_assert_eq(process.pid, child.pid);
    cr_assert_eq(process.own_pid, child.pid);
    cr_assert_not(process.nested);
    cr_assert_eq(process.uid, geteuid());
    cr_assert_eq(process.gid, getegid());
    cr_assert_eq(process.program.word_size, sizeof(void *));
    cr_assert_gt(process.start_time, 0);
    cr_assert(process_alive(&process));
    cr_assert(process_same_program(&process));
    cr_assert_not(ended(&process, 0));

    char text[64];
    cr_assert_eq(process_command_line(&process, text, sizeof text), STATUS_OK);
    cr_assert_str_eq(text, "/bin/sleep 1000");
    cr_assert_eq(process_command_line(&process, text, 8), STATUS_OK);
    cr_assert_str_eq(text, "/bin/sl");
    cr_assert_eq(process_executable(&process, text, sizeof text), STATUS_OK);
    cr_assert_not_null(strstr(text, "/sleep"));

    child_end(&child);
    cr_assert(ended(&process, 0));
    cr_assert_not(process_alive(&process));
    cr_assert_not(process_same_program(&process));
    char state = '?';
    uint64_t ns = 0;
    cr_assert_eq(process_state(&process, &state), STATUS_GONE);
    cr_assert_eq(process_cpu_time(&process, &ns), STATUS_GONE);
    cr_assert_eq(process_command_line(&process, text, sizeof text), STATUS_GONE);
    cr_assert_eq(process_executable(&process, text, sizeof text), STATUS_GONE);
    process_close(&process);
    process_close(&process); /* PROCESS_NONE by now */
}

Test(process, no_such_process) {
    struct child child = child_fork(NULL, NULL);
    child_end(&child);
    cr_assert_eq(open_fails(child.pid, "no process"), STATUS_GONE);
    cr_assert_eq(open_fails(0, "ids begin at 1"), STATUS_GONE);
    cr_assert_eq(open_fails(-1, "ids begin at 1"), STATUS_GONE);
    cr_assert_eq(open_fails(INT32_MAX, "no process 2147483647"), STATUS_GONE);
}

Test(process, a_zombie) {
    struct child child = child_fork(NULL, NULL);
    struct process process = child_open(&child);
    (void)kill(child.pid, SIGKILL);
    siginfo_t info;
    cr_assert_eq(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
    cr_assert_eq(open_fails(child.pid, "zombie"), STATUS_GONE);
    cr_assert_not(process_alive(&process));
    cr_assert_not(process_same_program(&process));
    process_close(&process);
    child_end(&child);
}

Test(process, a_kernel_thread) {
    struct stat stat;
    char text[32];
    if (lstat("/proc/2/exe", &stat) != 0 || readlink("/proc/2/exe", text, sizeof text) >= 0 ||
        errno != ENOENT) {
        cr_skip_test("there are no kernel threads in this PID namespace");
    }
    cr_assert_eq(open_fails(2, "thread of the kernel"), STATUS_ABSENT);
}

static atomic_int other_tid;

static void *thread_sleep(void *unused) {
    (void)unused;
    other_tid = (int)syscall(SYS_gettid);
    for (;;) {
        (void)pause();
    }
    return NULL;
}

Test(process, the_id_of_a_thread) {
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, thread_sleep, NULL), 0);
    while (other_tid == 0) {
        (void)sched_yield();
    }
    char whose[64];
    (void)snprintf(whose, sizeof whose, "give the process's id, %d", getpid());
    cr_assert_eq(open_fails(other_tid, whose), STATUS_GONE);
}

static void main_thread_ends(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_sleep, NULL) == 0) {
        pthread_exit(NULL);
    }
}

Test(process, a_process_without_its_main_thread) {
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        main_thread_ends();
    }
    struct child child = {.pid = pid, .ready = -1};
    enum status status = STATUS_OK;
    struct error error = {.text = ""};
    /* While it is ending, its memory is gone before its state says so: that too is TORN. */
    for (unsigned i = 0; i < 1000 && strstr(error.text, "main thread") == NULL; ++i) {
        struct process process = PROCESS_NONE;
        status = process_open(pid, &process, &error);
        if (status == STATUS_OK) {
            process_close(&process);
        }
        (void)usleep(1000);
    }
    cr_assert_eq(status, STATUS_TORN, "%s", error.text);
    cr_assert_not_null(strstr(error.text, "main thread"), "%s", error.text);
    child_end(&child);
}

Test(process, states) {
    struct child child = child_fork(NULL, NULL);
    struct process process = child_open(&child);
    char state = '?';
    for (unsigned i = 0; i < 1000 && state != 'S'; ++i) {
        cr_assert_eq(process_state(&process, &state), STATUS_OK);
    }
    cr_assert_eq(state, 'S');
    (void)kill(child.pid, SIGSTOP);
    (void)waitpid(child.pid, NULL, WUNTRACED);
    cr_assert_eq(process_state(&process, &state), STATUS_OK);
    cr_assert_eq(state, 'T');
    cr_assert(process_alive(&process));
    cr_assert(process_same_program(&process));
    process_close(&process);
    child_end(&child);
}

static void use_cpu(void *unused) {
    (void)unused;
    struct timespec used;
    do {
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    } while (used.tv_sec == 0 && used.tv_nsec < 30000000);
}

Test(process, cpu_time) {
    struct child child = child_fork(use_cpu, NULL);
    struct process process = child_open(&child);
    uint64_t ns = 0;
    cr_assert_eq(process_cpu_time(&process, &ns), STATUS_OK);
    cr_assert_geq(ns, 30000000);
    cr_assert_lt(ns, 3000000000);
    process_close(&process);
    child_end(&child);
}

/* A child that execs `arguments` (again) when it gets SIGUSR1. */
static void *exec_on_signal(void *arguments) {
    sigset_t set;
    int signal = 0;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigwait(&set, &signal);
    (void)execv(((char **)arguments)[0], arguments);
    _exit(1);
}

static void prepare_exec(void *arguments) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    pthread_t thread;
    (void)pthread_create(&thread, NULL, exec_on_signal, arguments);
}

static void without_randomisation(void *arguments) {
    (void)personality(ADDR_NO_RANDOMIZE);
    prepare_exec(arguments);
}

static void exec_is_seen(void (*setup)(void *)) {
    struct child child = child_fork(setup, (void *)(uintptr_t)sleeping);
    struct process process = child_open(&child);
    cr_assert(process_same_program(&process));
    (void)kill(child.pid, SIGUSR1);
    for (unsigned i = 0; i < 5000 && process_same_program(&process); ++i) {
        (void)usleep(1000);
    }
    cr_assert_not(process_same_program(&process));
    cr_assert(process_alive(&process));

    struct error error;
    enum status status = STATUS_TORN;
    for (unsigned i = 0; i < 1000 && status == STATUS_TORN; ++i) {
        status = process_note_program(&process, &error);
        (void)usleep(1000);
    }
    cr_assert_eq(status, STATUS_OK, "%s", error.text);
    for (unsigned i = 0; i < 100 && !process_same_program(&process); ++i) {
        cr_assert_eq(process_note_program(&process, &error), STATUS_OK);
    }
    cr_assert(process_same_program(&process));
    process_close(&process);
    child_end(&child);
}

Test(process, an_exec_is_seen) {
    exec_is_seen(prepare_exec);
}

Test(process, an_exec_is_seen_without_randomisation) {
    exec_is_seen(without_randomisation);
}

/* What the Go runtime does, as a plug-in too: it overwrites AT_RANDOM's bytes. */
Test(process, overwritten_random_bytes_are_no_exec) {
    struct process process = PROCESS_NONE;
    cr_assert_eq(process_open(getpid(), &process, NULL), STATUS_OK);
    cr_assert_not(raddr_is_null(process.program.random_at));
    memset((void *)(uintptr_t)process.program.random_at.v, 0, PROCESS_RANDOM_SIZE);
    cr_assert(process_same_program(&process));
    process_close(&process);
}

static int sleep_in_namespace(void *unused) {
    (void)unused;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        (void)pause();
    }
    return 0;
}

Test(process, another_pid_namespace) {
    static char stack[65536] __attribute__((aligned(16)));
    pid_t pid = clone(sleep_in_namespace, stack + sizeof stack, CLONE_NEWPID | SIGCHLD, NULL);
    if (pid < 0) {
        cr_skip_test("no PID namespace can be made");
    }
    struct child child = {.pid = pid, .ready = -1};
    struct process process = child_open(&child);
    cr_assert_eq(process.pid, pid);
    cr_assert_eq(process.own_pid, 1);
    cr_assert(process.nested);
    process_close(&process);
    child_end(&child);
}

static void become_nobody(void *unused) {
    (void)unused;
    (void)syscall(SYS_setresgid, 65534, 65534, 65534);
    (void)syscall(SYS_setresuid, 65534, 65534, 65534);
}

/* Runs in a process of its own, for good. */
static void denied_as_nobody(void *pid) {
    become_nobody(NULL);
    struct process process;
    struct error error = {.text = ""};
    if (process_open(*(pid_t *)pid, &process, &error) != STATUS_DENIED ||
        strstr(error.text, "sudo") == NULL || strstr(error.text, "cap_sys_ptrace+ep") == NULL ||
        strstr(error.text, "--cap-add=SYS_PTRACE") == NULL ||
        strstr(error.text, "belongs to user 0") == NULL) {
        abort();
    }
}

Test(process, somebody_elses) {
    if (geteuid() != 0) {
        cr_skip_test("takes root");
    }
    pid_t pid = getpid();
    struct child child = child_fork(denied_as_nobody, &pid);
    child_end(&child);
    /* Root may look at nobody's, and sees whose it is. */
    child = child_fork(become_nobody, NULL);
    struct process process = child_open(&child);
    cr_assert_eq(process.uid, 65534);
    process_close(&process);
    child_end(&child);
}

/* In a process of its own: /proc is one that hides what is not ours, and we are nobody. */
static void hidden_as_nobody(void *pid) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", 0, "hidepid=2") != 0) {
        abort();
    }
    become_nobody(NULL);
    struct process process;
    struct error error = {.text = ""};
    if (process_open(*(pid_t *)pid, &process, &error) != STATUS_DENIED ||
        strstr(error.text, "hidepid") == NULL) {
        abort();
    }
}

Test(process, hidden_by_the_mount_of_proc) {
    if (geteuid() != 0) {
        cr_skip_test("takes root");
    }
    pid_t pid = getpid();
    struct child child = child_fork(hidden_as_nobody, &pid);
    child_end(&child);
}

Test(process, hostile_names_are_shown_without_control_characters) {
    struct child child = child_exec(
        (const char *const[]){"/bin/sh", "-c", "read x < /dev/zero", "\033[2J\n\001", NULL});
    struct process process = child_open(&child);
    char text[256];
    cr_assert_eq(process_command_line(&process, text, sizeof text), STATUS_OK);
    cr_assert_not_null(strstr(text, "?[2J??"), "%s", text);
    process_close(&process);
    child_end(&child);
}
