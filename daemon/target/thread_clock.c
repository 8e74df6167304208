/* HOT: thread_clock_read; see thread_clock.h. */
#include "daemon/target/thread_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/guard.h"
#include "daemon/target/proc_file.h"

enum { LINE_BYTES = 80 }; /* three numbers of at most 20 digits */

enum status thread_clock_open(const struct process *process, pid_t tid, struct thread_clock *out) {
    char name[64];
    (void)snprintf(name, sizeof name, "task/%d/schedstat", tid);
    int fd = openat(process->dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        (void)snprintf(name, sizeof name, "task/%d", tid);
        return faccessat(process->dir, name, F_OK, 0) == 0 ? STATUS_ABSENT : STATUS_GONE;
    }
    if (fd < 0) {
        return status_from_errno(errno);
    }
    *out = (struct thread_clock){.fd = fd};
    return STATUS_OK;
}

void thread_clock_close(struct thread_clock *clock) {
    guard_fd_close(&clock->fd);
    *clock = THREAD_CLOCK_NONE;
}

enum status thread_clock_read(const struct thread_clock *clock, uint64_t *runtime_ns,
                              uint64_t *slices) {
    char line[LINE_BYTES];
    ssize_t got = pread(clock->fd, line, sizeof line - 1, 0);
    if (got <= 0) {
        return got == 0 ? STATUS_GONE : status_from_errno(errno);
    }
    line[got] = '\0';
    const char *at = line;
    uint64_t runtime = 0;
    uint64_t waited = 0;
    uint64_t count = 0;
    if (!proc_file_number(&at, 10, &runtime) || !proc_file_number(&at, 10, &waited) ||
        !proc_file_number(&at, 10, &count)) {
        return STATUS_CORRUPT;
    }
    *runtime_ns = runtime;
    *slices = count;
    return STATUS_OK;
}
