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
    TEXT_MAX = 8192,           /* of /proc/PID/status and limits */
    THREADS_MAX = 4096,        /* that are looked at; filters are nearly always all threads' */
    FILE_SIZE = 2 << 20,       /* no file that is made in the process is larger */
    FILES_SPARE = 16,          /* descriptors that it must have left, and "." and ".." */
    FILES_LOOKED_AT = 1 << 16, /* who may have more does not come near it */
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

/* A limit by its title in /proc/PID/limits, the soft one. */
static uint64_t limit_find(const char *text, const char *title) {
    const char *line = strstr(text, title);
    uint64_t limit = UINT64_MAX; /* "unlimited" */
    if (line != NULL) {
        line += strlen(title);
        (void)proc_file_number(&line, 10, &limit);
    }
    return limit;
}

/* How many files it has open; a little more than `most` counts as many. */
static enum status files_count(const struct process *process, uint64_t most, uint64_t *out) {
    int fd = openat(process->dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    GUARD_DIR DIR *files = fd < 0 ? NULL : fdopendir(fd);
    uint64_t count = 0;
    if (files == NULL) {
        guard_fd_close(&fd);
        return errno == ENOENT ? STATUS_GONE : errno == EACCES ? STATUS_DENIED : STATUS_SYS;
    }
    while (count <= most && readdir(files) != NULL) {
        count++;
    }
    *out = count;
    return STATUS_OK;
}

/* Why its limits do not allow for what loading takes; NULL if they do. */
static enum status limits_look(const struct process *process, const char **why) {
    char text[TEXT_MAX];
    uint64_t files = 0;
    enum status status = proc_file_read(process->dir, "limits", text, sizeof text, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t most = limit_find(text, "Max open files");
    if (limit_find(text, "Max file size") < FILE_SIZE) {
        *why = "the size of its files is limited (RLIMIT_FSIZE), which might end it";
        return STATUS_OK;
    }
    if (most < FILES_LOOKED_AT) {
        status = files_count(process, most, &files);
    }
    if (status == STATUS_OK && files + FILES_SPARE > most) {
        *why = "it has nearly all files open that it may have (RLIMIT_NOFILE)";
    }
    return status;
}

enum status confinement_check(const struct process *process, struct error *error) {
    bool filtered = false;
    const char *why = NULL;
    enum status status = filters_look(process, &filtered);
    if (status == STATUS_OK && filtered) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "its system calls are filtered (seccomp), and the filter might end it");
    }
    if (status == STATUS_OK) {
        status = limits_look(process, &why);
    }
    if (status == STATUS_OK && why != NULL) {
        return error_set(error, STATUS_UNSUPPORTED, "%s", why);
    }
    return status == STATUS_OK ? STATUS_OK
                               : error_set(error, status, "how it is confined cannot be read: %s",
                                           status_name(status));
}

enum status confinement_look(const struct process *process, bool *filtered) {
    return filter_look(process->dir, filtered);
}
