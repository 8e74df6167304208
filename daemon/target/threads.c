#include "daemon/target/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/guard.h"
#include "daemon/target/proc_file.h"

void threads_deinit(struct threads *threads) {
    free(threads->items);
    *threads = THREADS_NONE;
}

static void threads_guard(struct threads *threads) {
    threads_deinit(threads);
}

static int by_tid(const void *left, const void *right) {
    pid_t a = ((const struct kernel_thread *)left)->tid;
    pid_t b = ((const struct kernel_thread *)right)->tid;
    return (a > b) - (a < b);
}

static enum status task_add(struct threads *threads, pid_t tid) {
    if (threads->count == threads->capacity) {
        size_t capacity = threads->capacity == 0 ? 64 : threads->capacity * 2;
        struct kernel_thread *grown =
            capacity <= THREADS_MAX ? reallocarray(threads->items, capacity, sizeof *grown) : NULL;
        if (grown == NULL) {
            return STATUS_NOMEM;
        }
        threads->items = grown;
        threads->capacity = capacity;
    }
    threads->items[threads->count++] = (struct kernel_thread){.tid = tid, .own_tid = tid};
    return STATUS_OK;
}

/* The id of a thread in its own PID namespace: the last on the line "NSpid:" (pid_namespaces(7)).
 * Zero when it has ended. */
static pid_t own_tid_read(const struct process *process, pid_t tid) {
    char name[64];
    char text[4096];
    (void)snprintf(name, sizeof name, "task/%d/status", tid);
    if (proc_file_read(process->dir, name, text, sizeof text, NULL) != STATUS_OK) {
        return 0;
    }
    const char *field = proc_file_field(text, "NSpid");
    uint64_t id = 0;
    while (field != NULL && proc_file_number(&field, 10, &id)) {
    }
    return (pid_t)id;
}

/* Fills in the ids that the target uses; those of threads in the former list are known. */
static void own_tids_fill(const struct process *process, const struct threads *before,
                          struct threads *now) {
    for (size_t i = 0; i < now->count; ++i) {
        const struct kernel_thread *known =
            before->count == 0
                ? NULL
                : bsearch(&now->items[i], before->items, before->count, sizeof *known, by_tid);
        now->items[i].own_tid =
            known != NULL ? known->own_tid : own_tid_read(process, now->items[i].tid);
    }
}

enum status threads_list(const struct process *process, struct threads *threads) {
    GUARD_FD int fd = openat(process->dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? STATUS_GONE : status_from_errno(errno);
    }
    GUARD_DIR DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        return status_from_errno(errno);
    }
    (void)guard_fd_take(&fd);
    __attribute__((cleanup(threads_guard))) struct threads now = THREADS_NONE;
    errno = 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL; errno = 0) {
        const char *name = entry->d_name;
        uint64_t tid = 0;
        if (!proc_file_number(&name, 10, &tid)) {
            continue;
        }
        enum status status = task_add(&now, (pid_t)tid);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (errno != 0) {
        return errno == ENOENT ? STATUS_GONE : status_from_errno(errno);
    }
    if (now.count == 0) {
        return STATUS_GONE;
    }
    qsort(now.items, now.count, sizeof *now.items, by_tid);
    if (process->nested) {
        own_tids_fill(process, threads, &now);
    }
    struct threads before = *threads;
    *threads = now;
    now = before;
    return STATUS_OK;
}

const struct kernel_thread *threads_find_own(const struct threads *threads, pid_t own_tid) {
    for (size_t i = 0; i < threads->count; ++i) {
        if (threads->items[i].own_tid == own_tid) {
            return &threads->items[i];
        }
    }
    return NULL;
}
