#include "daemon/inject/confinement.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/target/proc_file.h"

enum {
    TEXT_MAX = 8192,     /* of /proc/PID/status and limits */
    THREADS_MAX = 4096,  /* that are looked at; filters are nearly always all threads' */
    FILE_SIZE = 2 << 20, /* no file that is made in the process is larger */
};

/* Whether a thread, or the process by its main thread, has a filter. */
static enum status filter_look(int dir, bool *filtered) {
    char text[TEXT_MAX];
    uint64_t mode = 0;
    enum status status = proc_file_read(dir, "status", text, sizeof text, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    const char *field = proc_file_field(text, "Seccomp"); /* not there without CONFIG_SECCOMP */
    *filtered = field != NULL && proc_file_number(&field, 10, &mode) && mode != 0;
    return STATUS_OK;
}

static enum status filters_look(const struct process *process, bool *filtered) {
    enum status status = filter_look(process->dir, filtered);
    int fd = openat(process->dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    GUARD_DIR DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
    if (tasks == NULL) {
        guard_fd_close(&fd);
        return status != STATUS_OK ? status : errno == ENOENT ? STATUS_GONE : STATUS_SYS;
    }
    for (unsigned i = 0; status == STATUS_OK && !*filtered && i < THREADS_MAX; i++) {
        const struct dirent *entry = readdir(tasks);
        if (entry == NULL) {
            break;
        }
        GUARD_FD int task = entry->d_name[0] == '.'
                                ? -1
                                : openat(fd, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (task >= 0 && filter_look(task, filtered) == STATUS_SYS) {
            status = STATUS_SYS; /* one that has ended has none */
        }
    }
    return status;
}

/* Whether its files may be as large as what is loaded. */
static enum status size_look(const struct process *process, bool *fits) {
    static const char title[] = "Max file size";
    char text[TEXT_MAX];
    uint64_t limit = 0;
    enum status status = proc_file_read(process->dir, "limits", text, sizeof text, NULL);
    const char *line = status == STATUS_OK ? strstr(text, title) : NULL;
    if (status != STATUS_OK) {
        return status;
    }
    if (line == NULL) {
        return STATUS_SYS;
    }
    line += sizeof title - 1;
    *fits = !proc_file_number(&line, 10, &limit) || limit >= FILE_SIZE; /* else "unlimited" */
    return STATUS_OK;
}

enum status confinement_check(const struct process *process, struct error *error) {
    bool filtered = false;
    bool fits = false;
    enum status status = filters_look(process, &filtered);
    if (status == STATUS_OK && filtered) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "its system calls are filtered (seccomp), and the filter might end it");
    }
    if (status == STATUS_OK) {
        status = size_look(process, &fits);
    }
    if (status == STATUS_OK && !fits) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "the size of its files is limited (RLIMIT_FSIZE), which might end it");
    }
    return status == STATUS_OK ? STATUS_OK
                               : error_set(error, status, "how it is confined cannot be read: %s",
                                           status_name(status));
}
