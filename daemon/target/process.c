#include "daemon/target/process.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/guard.h"
#include "daemon/target/denial.h"
#include "daemon/target/printable.h"
#include "daemon/target/proc_file.h"
#include "daemon/target/process_stat.h"

/* A page at which nothing is mapped in any program that the kernel starts: what a read of it
 * answers (EFAULT) says that reading is allowed. */
#define PROBE_ADDRESS 0x1000U

enum { AUXV_MAX = 8192, STATUS_MAX = 65536 };

static enum status gone_set(struct error *error, pid_t pid) {
    return error_set(error, STATUS_GONE, "there is no process %d (any more)", pid);
}

bool process_alive(const struct process *process) {
    struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};
    return poll(&ended, 1, 0) == 0;
}

/* What failed on a file of /proc/PID, in words. While another thread than the main one execs, the
 * process has no memory for a moment (fs/exec.c: de_thread), which the kernel tells as if it had
 * ended. */
static enum status file_failed(const struct process *process, const char *name, enum status status,
                               struct error *error) {
    if (!process_alive(process)) {
        return gone_set(error, process->pid);
    }
    if (status == STATUS_GONE || status == STATUS_TORN) {
        return error_set(error, STATUS_TORN, "process %d is just starting a program", process->pid);
    }
    return error_set(error, status, "cannot read /proc/%d/%s: %s", process->pid, name,
                     status_name(status));
}

/* The pid names a thread that does not lead its process: says which process that is. */
static enum status thread_explain(pid_t pid, struct error *error) {
    char path[64];
    char text[4096];
    (void)snprintf(path, sizeof path, "/proc/%d", pid);
    GUARD_FD int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    uint64_t leader = 0;
    if (dir >= 0 && proc_file_read(dir, "status", text, sizeof text, NULL) == STATUS_OK) {
        const char *field = proc_file_field(text, "Tgid");
        if (field != NULL && proc_file_number(&field, 10, &leader) && leader != (uint64_t)pid) {
            return error_set(error, STATUS_GONE,
                             "%d is a thread of process %d: give the process's id, %d", pid,
                             (int)leader, (int)leader);
        }
    }
    return gone_set(error, pid);
}

static enum status pidfd_make(pid_t pid, int *out, struct error *error) {
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd >= 0) {
        *out = fd;
        return STATUS_OK;
    }
    switch (errno) {
    case ESRCH:
        return gone_set(error, pid);
    case EINVAL: /* ENOENT on kernels that know PIDFD_THREAD */
    case ENOENT:
        return thread_explain(pid, error);
    case ENOSYS:
        return error_set(error, STATUS_SYS,
                         "cannot watch process %d: this kernel has no pidfd_open; Linux 5.6 or "
                         "newer is needed",
                         pid);
    case EPERM:
    case EACCES:
        return error_set(error, STATUS_DENIED,
                         "cannot watch process %d: the sandbox that we run in (a seccomp filter) "
                         "forbids pidfd_open; start the container with --security-opt "
                         "seccomp=unconfined, or run outside of it",
                         pid);
    default:
        return error_set(error, status_from_errno(errno), "cannot watch process %d: %s", pid,
                         strerror(errno));
    }
}

/* Whether /proc shows the PID namespace that we live in. */
static bool proc_is_ours(void) {
    char link[32];
    ssize_t length = readlink("/proc/self", link, sizeof link - 1);
    if (length <= 0) {
        return false;
    }
    link[length] = '\0';
    return strtol(link, NULL, 10) == getpid();
}

/* It is there, but /proc does not show it, or not what is in its directory. */
static enum status hidden_set(const struct process *process, struct error *error) {
    return error_set(error, STATUS_DENIED,
                     "process %d is hidden from us: /proc is mounted with hidepid; run as root, or "
                     "join the group that /proc's option gid= names",
                     process->pid);
}

static enum status dir_open(struct process *process, struct error *error) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d", process->pid);
    process->dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* The pid belonged to the pidfd's process while the directory was opened only if that process
     * has not ended since. */
    if (!process_alive(process)) {
        struct process_stat stat;
        if (process->dir >= 0 && process_stat_read(process->dir, &stat) == STATUS_OK &&
            process_stat_is_zombie(&stat)) {
            return error_set(error, STATUS_GONE,
                             "process %d (%s) has ended: it is a zombie that its parent, process "
                             "%d, has not collected yet",
                             process->pid, stat.comm, stat.parent);
        }
        return gone_set(error, process->pid);
    }
    if (process->dir < 0 && !proc_is_ours()) {
        return error_set(error, STATUS_DENIED,
                         "cannot look at process %d: /proc is not mounted, or belongs to another "
                         "PID namespace; mount a proc file system of this one on /proc",
                         process->pid);
    }
    return process->dir < 0 ? hidden_set(process, error) : STATUS_OK;
}

/* Refuses what cannot be a target: kernel threads, zombies. */
static enum status stat_check(struct process *process, struct error *error) {
    struct process_stat stat;
    enum status status = process_stat_read(process->dir, &stat);
    if ((status == STATUS_GONE || status == STATUS_DENIED) && process_alive(process)) {
        return hidden_set(process, error);
    }
    if (status != STATUS_OK) {
        return file_failed(process, "stat", status, error);
    }
    process->start_time = stat.start_time;
    if (process_stat_is_kernel_thread(&stat)) {
        return error_set(error, STATUS_ABSENT,
                         "process %d (%s) is a thread of the kernel and runs no program",
                         process->pid, stat.comm);
    }
    if (process_stat_is_zombie(&stat) && stat.threads > 1) {
        return error_set(error, STATUS_TORN,
                         "the main thread of process %d (%s) has ended while %u others go on: the "
                         "kernel shows no memory of such a process",
                         process->pid, stat.comm, stat.threads - 1);
    }
    return STATUS_OK;
}

/* Second number of a line such as "Uid:", which has the real, effective, saved and file system id.
 */
static uint32_t effective_id(const char *text, const char *key) {
    const char *field = proc_file_field(text, key);
    uint64_t value = UINT32_MAX;
    if (field != NULL && proc_file_number(&field, 10, &value)) {
        (void)proc_file_number(&field, 10, &value);
    }
    return (uint32_t)value;
}

static enum status status_take(struct process *process, struct error *error) {
    GUARD_FREE char *text = malloc(STATUS_MAX);
    if (text == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    enum status status = proc_file_read(process->dir, "status", text, STATUS_MAX, NULL);
    if (status != STATUS_OK) {
        return file_failed(process, "status", status, error);
    }
    process->uid = effective_id(text, "Uid");
    process->gid = effective_id(text, "Gid");
    process->own_pid = process->pid;
    process->nested = false;
    /* One id per PID namespace, from the one that /proc belongs to down to the process's own. */
    const char *field = proc_file_field(text, "NSpid");
    uint64_t value = 0;
    for (unsigned level = 0; field != NULL && proc_file_number(&field, 10, &value); ++level) {
        process->own_pid = (pid_t)value;
        process->nested = level > 0;
    }
    return STATUS_OK;
}

static enum status denied_set(const struct process *process, struct error *error) {
    struct denial denial = denial_read(process->pid, process->dir);
    return denial_describe(&denial, error);
}

/* Whether the kernel lets us read its memory. */
static enum status access_check(const struct process *process, struct error *error) {
    uint8_t byte = 0;
    struct memory memory = {.pid = process->pid, .word_size = sizeof(void *)};
    enum status status = memory_read(&memory, raddr_make(PROBE_ADDRESS), &byte, sizeof byte);
    switch (status) {
    case STATUS_OK:
    case STATUS_TORN:
        return STATUS_OK;
    case STATUS_GONE:
        return file_failed(process, "mem", status, error);
    case STATUS_DENIED:
        return denied_set(process, error);
    default:
        return error_set(error, status, "cannot read the memory of process %d: %s", process->pid,
                         strerror(errno));
    }
}

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(const uint8_t *bytes, size_t size) {
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < size; ++i) {
        hash = (hash ^ bytes[i]) * 0x100000001b3U;
    }
    return hash;
}

/* One entry of an auxiliary vector of the given word size. */
static uint64_t auxv_word(const uint8_t *bytes, size_t index, unsigned word_size) {
    uint64_t word = 0;
    memcpy(&word, bytes + index * word_size, word_size);
    return word;
}

/* Looks for AT_RANDOM. False when this is no auxiliary vector of that word size: it has only known,
 * small types, and ends with AT_NULL. */
static bool auxv_parse(const uint8_t *bytes, size_t size, unsigned word_size, uint64_t *random_at) {
    enum { TYPE_MAX = 256 };
    uint64_t found = 0;
    for (size_t i = 0; (i + 2) * word_size <= size; i += 2) {
        uint64_t type = auxv_word(bytes, i, word_size);
        if (type == AT_NULL) {
            *random_at = found;
            return i > 0;
        }
        if (type >= TYPE_MAX) {
            return false;
        }
        if (type == AT_RANDOM) {
            found = auxv_word(bytes, i + 1, word_size);
        }
    }
    return false;
}

/* What tells one program from the next, but for the random bytes. */
static enum status program_read(const struct process *process, struct process_program *out) {
    uint8_t auxv[AUXV_MAX];
    size_t size = 0;
    enum status status = proc_file_read(process->dir, "auxv", (char *)auxv, sizeof auxv, &size);
    if (status != STATUS_OK) {
        return status;
    }
    if (size == 0) {
        return STATUS_TORN;
    }
    struct stat exe;
    if (fstatat(process->dir, "exe", &exe, 0) != 0) {
        /* Its file system may be out of reach; the auxiliary vector has to do then. */
        exe = (struct stat){.st_ino = 0};
    }
    struct process_program program = {
        .auxv_hash = hash_bytes(auxv, size), .device = exe.st_dev, .inode = exe.st_ino};
    /* A 32-bit vector read as a 64-bit one has its values in the high half of its types. */
    if (auxv_parse(auxv, size, 8, &program.random_at.v)) {
        program.word_size = 8;
    } else if (auxv_parse(auxv, size, 4, &program.random_at.v)) {
        program.word_size = 4;
    } else {
        return STATUS_CORRUPT;
    }
    *out = program;
    return STATUS_OK;
}

static enum status random_read(const struct process *process, struct raddr at, uint8_t *out) {
    struct memory memory = {.pid = process->pid, .word_size = sizeof(void *)};
    return memory_read(&memory, at, out, PROCESS_RANDOM_SIZE);
}

enum status process_note_program(struct process *process, struct error *error) {
    struct process_program program;
    enum status status = program_read(process, &program);
    if (status == STATUS_DENIED) {
        return denied_set(process, error);
    }
    if (status == STATUS_CORRUPT && process_alive(process)) { /* while it is being filled in, too */
        return error_set(error, STATUS_TORN,
                         "process %d runs no program that we know: its auxiliary vector makes no "
                         "sense",
                         process->pid);
    }
    if (status != STATUS_OK) {
        return file_failed(process, "auxv", status, error);
    }
    if (!raddr_is_null(program.random_at) &&
        random_read(process, program.random_at, program.random) != STATUS_OK) {
        program.random_at = RADDR_NULL;
    }
    process->program = program;
    return STATUS_OK;
}

bool process_same_program(const struct process *process) {
    const struct process_program *noted = &process->program;
    uint8_t random[PROCESS_RANDOM_SIZE];
    if (!raddr_is_null(noted->random_at) &&
        random_read(process, noted->random_at, random) == STATUS_OK &&
        memcmp(random, noted->random, sizeof random) == 0) {
        return process_alive(process);
    }
    /* Some runtimes overwrite the random bytes while they start (Go's does, in a plug-in too): only
     * addresses that moved, or another file, prove an exec. */
    struct process_program now;
    return process_alive(process) && program_read(process, &now) == STATUS_OK &&
           now.auxv_hash == noted->auxv_hash && now.device == noted->device &&
           now.inode == noted->inode;
}

static enum status process_examine(struct process *process, struct error *error) {
    enum status status = pidfd_make(process->pid, &process->pidfd, error);
    if (status == STATUS_OK) {
        status = dir_open(process, error);
    }
    if (status == STATUS_OK) {
        status = stat_check(process, error);
    }
    if (status == STATUS_OK) {
        status = status_take(process, error);
    }
    if (status == STATUS_OK) {
        status = access_check(process, error);
    }
    return status == STATUS_OK ? process_note_program(process, error) : status;
}

enum status process_open(pid_t pid, struct process *out, struct error *error) {
    if (pid <= 0) {
        return error_set(error, STATUS_GONE, "there is no process %d: ids begin at 1", pid);
    }
    struct process process = PROCESS_NONE;
    process.pid = pid;
    enum status status = process_examine(&process, error);
    if (status != STATUS_OK) {
        process_close(&process);
        return status;
    }
    *out = process;
    return STATUS_OK;
}

void process_close(struct process *process) {
    guard_fd_close(&process->pidfd);
    guard_fd_close(&process->dir);
    *process = PROCESS_NONE;
}

enum status process_state(const struct process *process, char *out) {
    struct process_stat stat;
    enum status status = process_stat_read(process->dir, &stat);
    if (status == STATUS_OK) {
        *out = stat.state;
    }
    return status;
}

enum status process_cpu_time(const struct process *process, uint64_t *ns) {
    clockid_t clock;
    struct timespec now;
    int errnum = clock_getcpuclockid(process->pid, &clock);
    if (errnum != 0) {
        return status_from_errno(errnum);
    }
    /* EINVAL is how a clock says that its process is gone (clock_getcpuclockid(3)). */
    if (clock_gettime(clock, &now) != 0) {
        return errno == EINVAL ? STATUS_GONE : status_from_errno(errno);
    }
    if (!process_alive(process)) { /* the clock goes by the pid alone */
        return STATUS_GONE;
    }
    *ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    return STATUS_OK;
}

enum status process_command_line(const struct process *process, char *out, size_t capacity) {
    GUARD_FREE char *text = malloc(capacity);
    if (text == NULL) {
        return STATUS_NOMEM;
    }
    size_t size = 0;
    enum status status = proc_file_read(process->dir, "cmdline", text, capacity, &size);
    if (status != STATUS_OK) {
        return status;
    }
    while (size > 0 && text[size - 1] == '\0') {
        --size;
    }
    if (size == 0) {
        struct process_stat stat;
        status = process_stat_read(process->dir, &stat);
        if (status == STATUS_OK) {
            (void)snprintf(out, capacity, "[%s]", stat.comm);
        }
        return status;
    }
    for (size_t i = 0; i < size; ++i) {
        if (text[i] == '\0') {
            text[i] = ' ';
        }
    }
    text[size] = '\0';
    printable_clean(text);
    memcpy(out, text, size + 1);
    return STATUS_OK;
}

enum status process_executable(const struct process *process, char *out, size_t capacity) {
    ssize_t length = readlinkat(process->dir, "exe", out, capacity - 1);
    if (length < 0) {
        return errno == ENOENT ? STATUS_GONE : status_from_errno(errno);
    }
    out[length] = '\0';
    printable_clean(out);
    return STATUS_OK;
}
