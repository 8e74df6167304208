#include "daemon/target/denial.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/target/memory.h"
#include "daemon/target/proc_file.h"

#define REMEDY                                                                                     \
    "run with sudo, or give echiond the right once: sudo setcap cap_sys_ptrace+ep \"$(command -v " \
    "echiond)\"; a container has to be started with --cap-add=SYS_PTRACE"

enum { STATUS_MAX = 65536, MAP_MAX = 4096 };

/* A file of /proc/self, or beneath another directory. Empty when it cannot be read. */
static void text_read(int dir, const char *name, char *out, size_t capacity) {
    if (dir < 0 || proc_file_read(dir, name, out, capacity, NULL) != STATUS_OK) {
        out[0] = '\0';
    }
}

static uint64_t capabilities_of(const char *status, const char *key) {
    const char *field = proc_file_field(status, key);
    uint64_t set = 0;
    return field != NULL && proc_file_number(&field, 16, &set) ? set : 0;
}

/* Whether the real, effective and saved id on a line such as "Uid:" are all `own`. */
static bool ids_are(const char *status, const char *key, uint64_t own) {
    const char *field = proc_file_field(status, key);
    uint64_t id = 0;
    for (unsigned i = 0; i < 3 && field != NULL && proc_file_number(&field, 10, &id); ++i) {
        if (id != own) {
            return false;
        }
    }
    return true;
}

static int yama_scope(void) {
    GUARD_FD int dir = open("/proc/sys/kernel/yama", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char text[32];
    text_read(dir, "ptrace_scope", text, sizeof text);
    const char *at = text;
    uint64_t scope = 0;
    return proc_file_number(&at, 10, &scope) ? (int)scope : -1;
}

/* Files of a process that is not dumpable belong to root (proc(5)), its directory does not. */
static bool is_not_dumpable(int dir, uid_t uid) {
    struct stat environment;
    return fstatat(dir, "environ", &environment, AT_SYMLINK_NOFOLLOW) == 0 && uid != 0 &&
           environment.st_uid == 0;
}

static bool may_read_itself(void) {
    uint8_t byte = 0;
    struct memory self = {.pid = getpid(), .word_size = sizeof(void *)};
    return memory_read(&self, raddr_make((uintptr_t)&self), &byte, sizeof byte) == STATUS_OK;
}

struct denial denial_read(pid_t pid, int dir) {
    struct denial denial = {
        .pid = pid, .own_uid = getuid(), .filtered = !may_read_itself(), .yama = yama_scope()};
    GUARD_FD int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    GUARD_FREE char *ours = malloc(STATUS_MAX);
    GUARD_FREE char *theirs = malloc(STATUS_MAX);
    if (ours == NULL || theirs == NULL) {
        return denial;
    }
    text_read(self, "status", ours, STATUS_MAX);
    text_read(dir, "status", theirs, STATUS_MAX);
    denial.capable = (capabilities_of(ours, "CapEff") & (1U << CAP_SYS_PTRACE)) != 0;
    denial.other_user = !ids_are(theirs, "Uid", getuid()) || !ids_are(theirs, "Gid", getgid());
    denial.more_capabilities =
        (capabilities_of(theirs, "CapPrm") & ~capabilities_of(ours, "CapPrm")) != 0;

    struct stat owner;
    denial.uid = fstat(dir, &owner) == 0 ? owner.st_uid : 0;
    denial.not_dumpable = is_not_dumpable(dir, denial.uid);

    char our_map[MAP_MAX];
    char their_map[MAP_MAX];
    text_read(self, "uid_map", our_map, sizeof our_map);
    text_read(dir, "uid_map", their_map, sizeof their_map);
    denial.other_user_namespace = their_map[0] != '\0' && strcmp(our_map, their_map) != 0;
    return denial;
}

/* What is in the way although we have CAP_SYS_PTRACE. */
static enum status describe_capable(const struct denial *denial, struct error *error) {
    if (denial->other_user_namespace) {
        return error_set(error, STATUS_DENIED,
                         "process %d may not be read: it lives in another user namespace than we, "
                         "where our CAP_SYS_PTRACE does not count; run echiond as root outside of "
                         "the container",
                         denial->pid);
    }
    return error_set(error, STATUS_DENIED,
                     "process %d may not be read although we have CAP_SYS_PTRACE: a user namespace "
                     "above ours or a security module (SELinux, AppArmor, Landlock) keeps us out; "
                     "run echiond outside of the container, or under the profile of the process",
                     denial->pid);
}

static enum status describe_yama(const struct denial *denial, struct error *error) {
    if (denial->yama == 1) {
        return error_set(
            error, STATUS_DENIED,
            "process %d may not be read: kernel.yama.ptrace_scope is 1, so only our own "
            "descendants may; start it under echion (echion python ...), or %s, or: "
            "sudo sysctl kernel.yama.ptrace_scope=0",
            denial->pid, REMEDY);
    }
    return error_set(
        error, STATUS_DENIED,
        "process %d may not be read: kernel.yama.ptrace_scope is %d, so CAP_SYS_PTRACE "
        "is needed; %s",
        denial->pid, denial->yama, REMEDY);
}

enum status denial_describe(const struct denial *denial, struct error *error) {
    pid_t pid = denial->pid;
    if (denial->filtered) {
        return error_set(
            error, STATUS_DENIED,
            "process %d may not be read: the sandbox that we run in (a seccomp filter) "
            "forbids process_vm_readv; start the container with --cap-add=SYS_PTRACE "
            "or --security-opt seccomp=unconfined, or run echiond outside of it",
            pid);
    }
    if (denial->yama >= 3) {
        return error_set(
            error, STATUS_DENIED,
            "process %d may not be read: kernel.yama.ptrace_scope is %d, which forbids "
            "it to everyone until the next boot; set it to 1 or 0 in /etc/sysctl.d "
            "and restart the machine",
            pid, denial->yama);
    }
    if (denial->capable) {
        return describe_capable(denial, error);
    }
    if (denial->other_user) {
        return error_set(error, STATUS_DENIED,
                         "process %d may not be read: it belongs to user %u or runs with other "
                         "groups, and we run as user %u without CAP_SYS_PTRACE; %s",
                         pid, denial->uid, denial->own_uid, REMEDY);
    }
    if (denial->other_user_namespace) {
        return error_set(error, STATUS_DENIED,
                         "process %d may not be read: it lives in another user namespace than we; "
                         "run echiond inside of that one, or %s",
                         pid, REMEDY);
    }
    if (denial->more_capabilities) {
        return error_set(
            error, STATUS_DENIED,
            "process %d may not be read: it holds capabilities that we do not have; %s", pid,
            REMEDY);
    }
    if (denial->not_dumpable) {
        return error_set(error, STATUS_DENIED,
                         "process %d may not be read: it is not dumpable (a set-user-ID program, "
                         "one that only root can read, or one that asked for it); %s",
                         pid, REMEDY);
    }
    if (denial->yama > 0) {
        return describe_yama(denial, error);
    }
    return error_set(error, STATUS_DENIED,
                     "process %d may not be read: the kernel or a security module (SELinux, "
                     "AppArmor) forbids it; %s",
                     pid, REMEDY);
}
