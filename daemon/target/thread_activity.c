#include "daemon/target/thread_activity.h"

#include <stdio.h>
#include <string.h>

#include "daemon/target/proc_file.h"

/* Numbers of the kernel's system call tables, and operations of linux/futex.h. */
enum {
    CALL_FUTEX_64 = 202,
    CALL_FUTEX_32 = 240,
    CALL_FUTEX_TIME64_32 = 422,
    FUTEX_OPERATION = 127, /* without its flags */
    FUTEX_WAIT_OPERATION = 0,
    FUTEX_WAIT_BITSET_OPERATION = 9,
};

/* "NUMBER 0xARG... SP PC", "-1 SP PC" when it sleeps elsewhere in the kernel, or "running". */
static void call_parse(const char *text, struct thread_activity *out) {
    uint64_t number = 0;
    if (!proc_file_number(&text, 10, &number)) {
        return;
    }
    for (unsigned i = 0; i < THREAD_ACTIVITY_ARGUMENTS; i++) {
        text += strspn(text, " ");
        text += strncmp(text, "0x", 2) == 0 ? 2 : 0;
        if (!proc_file_number(&text, 16, &out->arguments[i])) {
            return;
        }
    }
    out->call = (int64_t)number;
    out->in_call = true;
}

enum status thread_activity_read(int dir, pid_t tid, struct thread_activity *out) {
    char path[64];
    char text[256];
    struct thread_activity activity = {.in_call = false};
    struct process_stat stat;
    (void)snprintf(path, sizeof path, "task/%d/stat", tid);
    enum status status = process_stat_read_file(dir, path, &stat);
    if (status != STATUS_OK) {
        return status;
    }
    (void)memcpy(activity.comm, stat.comm, sizeof activity.comm);
    activity.state = stat.state;
    (void)snprintf(path, sizeof path, "task/%d/syscall", tid);
    if (proc_file_read(dir, path, text, sizeof text, NULL) == STATUS_OK) {
        call_parse(text, &activity);
    }
    *out = activity;
    return STATUS_OK;
}

bool thread_activity_futex(const struct thread_activity *activity, unsigned word_size,
                           uint64_t *address, bool *timed) {
    if (!activity->in_call || (word_size == 8 ? activity->call != CALL_FUTEX_64
                                              : activity->call != CALL_FUTEX_32 &&
                                                    activity->call != CALL_FUTEX_TIME64_32)) {
        return false;
    }
    uint64_t operation = activity->arguments[1] & FUTEX_OPERATION;
    if (operation != FUTEX_WAIT_OPERATION && operation != FUTEX_WAIT_BITSET_OPERATION) {
        return false;
    }
    *address = activity->arguments[0];
    *timed = activity->arguments[3] != 0;
    return true;
}
