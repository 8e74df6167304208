#include "daemon/target/rights.h"

#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/target/proc_file.h"

enum { STATUS_MAX = 65536 };

/* Capabilities that open files against their permissions. */
#define OVERRIDES ((1U << CAP_DAC_OVERRIDE) | (1U << CAP_DAC_READ_SEARCH))

struct task {
    const struct rights *rights;
    void (*work)(void *);
    void *context;
    enum status status;
};

/* The last number of a line such as "Uid:": real, effective, saved, file system. */
static uint32_t file_system_id(const char *text, const char *key) {
    const char *field = proc_file_field(text, key);
    uint64_t value = UINT32_MAX;
    for (unsigned i = 0; i < 4 && field != NULL && proc_file_number(&field, 10, &value); ++i) {
    }
    return (uint32_t)value;
}

enum status rights_read(const struct process *process, struct rights *out) {
    GUARD_FREE char *text = malloc(STATUS_MAX);
    if (text == NULL) {
        return STATUS_NOMEM;
    }
    enum status status = proc_file_read(process->dir, "status", text, STATUS_MAX, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    struct rights rights = {.uid = file_system_id(text, "Uid"), .gid = file_system_id(text, "Gid")};
    const char *field = proc_file_field(text, "Groups");
    uint64_t group = 0;
    while (rights.group_count < RIGHTS_GROUPS_MAX && field != NULL &&
           proc_file_number(&field, 10, &group)) {
        rights.groups[rights.group_count++] = (gid_t)group;
    }
    *out = rights;
    return STATUS_OK;
}

/* Capability sets of the calling thread, as two words of 32. */
struct capabilities {
    struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];
};

static bool capabilities_get(struct capabilities *out) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capget, &header, out->words) == 0;
}

static bool overrides_drop(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct capabilities sets;
    if (!capabilities_get(&sets)) {
        return false;
    }
    sets.words[0].effective &= ~OVERRIDES;
    return syscall(SYS_capset, &header, sets.words) == 0;
}

/* Whether opening a file here and now already goes by these rights. A root target is not asked for
 * its capabilities: root's files are all that is at stake then. */
static bool rights_are_ours(const struct rights *rights) {
    struct capabilities sets;
    if (rights->uid != geteuid()) {
        return false;
    }
    return rights->uid == 0 ||
           (capabilities_get(&sets) && (sets.words[0].effective & OVERRIDES) == 0);
}

/* Takes the rights on for good. By raw system calls: the C library's would change every thread. */
static bool rights_take(const struct rights *rights) {
    if (rights->uid != geteuid()) {
        if (syscall(SYS_setgroups, rights->group_count, rights->groups) != 0) {
            return false;
        }
        (void)syscall(SYS_setfsgid, rights->gid);
        (void)syscall(SYS_setfsuid, rights->uid);
        /* These tell no error; asked for an id that cannot be, they answer the one in force. */
        if ((gid_t)syscall(SYS_setfsgid, -1) != rights->gid ||
            (uid_t)syscall(SYS_setfsuid, -1) != rights->uid) {
            return false;
        }
    }
    return overrides_drop();
}

static void *task_run(void *argument) {
    struct task *task = argument;
    if (rights_take(task->rights)) {
        task->work(task->context);
        task->status = STATUS_OK;
    } else {
        task->status = STATUS_DENIED;
    }
    return NULL;
}

enum status rights_run(const struct rights *rights, void (*work)(void *), void *context) {
    if (rights_are_ours(rights)) {
        work(context);
        return STATUS_OK;
    }
    struct task task = {.rights = rights, .work = work, .context = context};
    int dumpable = prctl(PR_GET_DUMPABLE);

    /* The thread inherits a mask that keeps signals with the threads that expect them. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int errnum = pthread_create(&thread, NULL, task_run, &task);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errnum != 0) {
        return STATUS_NOMEM;
    }
    (void)pthread_join(thread, NULL);

    /* A change of ids makes the whole process undumpable (prctl(2), PR_SET_DUMPABLE). */
    if (dumpable == 1 && prctl(PR_GET_DUMPABLE) != 1) {
        (void)prctl(PR_SET_DUMPABLE, 1);
    }
    return task.status;
}
