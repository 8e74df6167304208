#include "daemon/inject/moment.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/guard.h"

/* What must hold for a call to restart. */
enum rule {
    RULE_NONE = 0,
    RULE_ALWAYS,
    RULE_FILE, /* its first argument is a file of a kind whose calls restart */
};

/* The numbers are the kernel's (arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl). */
struct row {
    short call_64, call_32; /* -1: there is none */
    enum rule rule;
};

static const struct row rows[] = {
    {.call_64 = 0, .call_32 = 3, .rule = RULE_FILE},       /* read */
    {.call_64 = 1, .call_32 = 4, .rule = RULE_FILE},       /* write */
    {.call_64 = 19, .call_32 = 145, .rule = RULE_FILE},    /* readv */
    {.call_64 = 20, .call_32 = 146, .rule = RULE_FILE},    /* writev */
    {.call_64 = 43, .call_32 = -1, .rule = RULE_FILE},     /* accept */
    {.call_64 = 45, .call_32 = 371, .rule = RULE_FILE},    /* recvfrom */
    {.call_64 = 47, .call_32 = 372, .rule = RULE_FILE},    /* recvmsg */
    {.call_64 = 288, .call_32 = 364, .rule = RULE_FILE},   /* accept4 */
    {.call_64 = 7, .call_32 = 168, .rule = RULE_ALWAYS},   /* poll: ERESTART_RESTARTBLOCK */
    {.call_64 = 23, .call_32 = 142, .rule = RULE_ALWAYS},  /* select: ERESTARTNOHAND */
    {.call_64 = 34, .call_32 = 29, .rule = RULE_ALWAYS},   /* pause: ERESTARTNOHAND */
    {.call_64 = 35, .call_32 = 162, .rule = RULE_ALWAYS},  /* nanosleep: ERESTART_RESTARTBLOCK */
    {.call_64 = 61, .call_32 = 114, .rule = RULE_ALWAYS},  /* wait4: ERESTARTSYS */
    {.call_64 = 202, .call_32 = 240, .rule = RULE_ALWAYS}, /* futex */
    {.call_64 = -1, .call_32 = 422, .rule = RULE_ALWAYS},  /* futex_time64 */
    /* restart_syscall: a call with ERESTART_RESTARTBLOCK that was stopped before, by us or others.
     * It answers the same again. */
    {.call_64 = 219, .call_32 = 0, .rule = RULE_ALWAYS},
    {.call_64 = 230, .call_32 = 267, .rule = RULE_ALWAYS}, /* clock_nanosleep */
    {.call_64 = -1, .call_32 = 407, .rule = RULE_ALWAYS},  /* clock_nanosleep_time64 */
    {.call_64 = 247, .call_32 = 284, .rule = RULE_ALWAYS}, /* waitid: ERESTARTSYS */
    {.call_64 = 270, .call_32 = 308, .rule = RULE_ALWAYS}, /* pselect6: ERESTARTNOHAND */
    {.call_64 = 271, .call_32 = 309, .rule = RULE_ALWAYS}, /* ppoll: ERESTARTNOHAND */
};

static enum rule rule_find(unsigned word_size, long call) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        if (call == (word_size == 4 ? rows[i].call_32 : rows[i].call_64)) {
            return rows[i].rule;
        }
    }
    return RULE_NONE;
}

/* Whether a socket has no time limit: with one, what waits for it fails with EINTR (net/sock.h,
 * sock_intr_errno). The descriptor is a copy: asking the socket changes nothing in the target. */
static bool socket_waits_for_ever(const struct process *process, int number) {
    GUARD_FD int copy = (int)syscall(SYS_pidfd_getfd, process->pidfd, number, 0);
    static const int options[] = {SO_RCVTIMEO, SO_SNDTIMEO};
    for (size_t i = 0; i < sizeof options / sizeof *options; ++i) {
        struct timeval limit = {0};
        socklen_t size = sizeof limit;
        if (copy < 0 || getsockopt(copy, SOL_SOCKET, options[i], &limit, &size) != 0 ||
            limit.tv_sec != 0 || limit.tv_usec != 0) {
            return false;
        }
    }
    return true;
}

/* Pipes, terminals, eventfd and timerfd answer ERESTARTSYS; what else there may be, FUSE and
 * devices, is not known. */
static bool file_restarts(const struct process *process, uint64_t number) {
    char name[32];
    char kind[64];
    if (number > INT32_MAX) {
        return false;
    }
    (void)snprintf(name, sizeof name, "fd/%d", (int)number);
    ssize_t length = readlinkat(process->dir, name, kind, sizeof kind - 1);
    if (length <= 0) {
        return false;
    }
    kind[length] = '\0';
    if (strncmp(kind, "socket:", 7) == 0) {
        return socket_waits_for_ever(process, (int)number);
    }
    return strncmp(kind, "pipe:", 5) == 0 || strncmp(kind, "/dev/pts/", 9) == 0 ||
           strcmp(kind, "anon_inode:[eventfd]") == 0 || strcmp(kind, "anon_inode:[timerfd]") == 0;
}

enum status moment_open(const struct process *process, pid_t tid, int *fd) {
    char name[48];
    (void)snprintf(name, sizeof name, "task/%d/syscall", tid);
    int opened = openat(process->dir, name, O_RDONLY | O_CLOEXEC);
    if (opened >= 0) {
        *fd = opened;
        return STATUS_OK;
    }
    if (errno != ENOENT) {
        return status_from_errno(errno);
    }
    (void)snprintf(name, sizeof name, "task/%d", tid);
    return faccessat(process->dir, name, F_OK, 0) == 0 ? STATUS_UNSUPPORTED : STATUS_GONE;
}

enum status moment_look(const struct process *process, int fd, enum moment *out, long *call) {
    /* "running", or "-1 SP PC", or the number, six arguments, SP and PC (proc_pid_syscall(5)). */
    char text[256];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    if (length < 0) {
        return errno == ESRCH ? STATUS_GONE : status_from_errno(errno);
    }
    if (length == 0) {
        return STATUS_GONE;
    }
    text[length] = '\0';
    *call = -1;
    if (strncmp(text, "running", 7) == 0) {
        *out = MOMENT_GOOD;
        return STATUS_OK;
    }
    char *argument = NULL;
    long number = strtol(text, &argument, 10);
    if (argument == text) {
        return STATUS_CORRUPT;
    }
    if (number < 0) {
        *out = MOMENT_ASLEEP;
        return STATUS_OK;
    }
    *call = number;
    enum rule rule = rule_find(process->program.word_size, number);
    bool good = rule == RULE_ALWAYS ||
                (rule == RULE_FILE && file_restarts(process, strtoull(argument, NULL, 16)));
    *out = good ? MOMENT_GOOD : MOMENT_BAD;
    return STATUS_OK;
}
