#include "daemon/ingest/ring_find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/guard.h"
#include "common/ring_record.h"
#include "daemon/ingest/ring_map.h"

/* A process may have a million open; ours is among the first thousands. */
enum { DESCRIPTORS_MAX = 1 << 16 };

/* Files of the right name that are looked into: one is inherited, one is our own. */
enum { CANDIDATES_MAX = 16 };

/* How the kernel names a memfd in /proc/PID/fd. */
static const char link_text[] = "/memfd:" RING_FILE_NAME " (deleted)";

static bool is_named_ring(int folder, const char *name) {
    char text[sizeof link_text];
    ssize_t size = readlinkat(folder, name, text, sizeof text);
    return size == (ssize_t)(sizeof link_text - 1) &&
           memcmp(text, link_text, sizeof link_text - 1) == 0;
}

/* Opens a file of the target's, if it is one of tmpfs: it is looked at before it is opened, since
 * to open a device or a FIFO may do something, and it may be another than was just named. */
static int open_file(int folder, const char *name) {
    GUARD_FD int seen = openat(folder, name, O_PATH | O_CLOEXEC);
    struct stat info;
    struct statfs system;
    char path[64];
    if (seen < 0 || fstat(seen, &info) != 0 || !S_ISREG(info.st_mode) ||
        fstatfs(seen, &system) != 0 || system.f_type != TMPFS_MAGIC) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", seen);
    /* Without O_NONBLOCK a lease that the target has on it would hold us up. */
    return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

enum status ring_open(int folder, const char *name, int32_t own_pid, struct ring **out,
                      struct error *error) {
    GUARD_FD int fd = open_file(folder, name);
    struct ring *ring = NULL;
    if (fd < 0) {
        return STATUS_ABSENT;
    }
    enum status status = ring_map(fd, &ring, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (ring->header.magic != RING_MAGIC || ring->header.pid != own_pid) {
        ring_unmap(ring);
        return STATUS_ABSENT;
    }
    *out = ring;
    return STATUS_OK;
}

enum status ring_find(int process, int32_t own_pid, struct ring **out, struct error *error) {
    int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == EACCES || errno == EPERM
                   ? error_set(error, STATUS_DENIED, "may not see what is open: %s",
                               strerror(errno))
                   : error_set(error, errno == ENOENT || errno == ESRCH ? STATUS_GONE : STATUS_SYS,
                               "cannot see what is open: %s", strerror(errno));
    }
    GUARD_DIR DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        (void)close(fd);
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    enum status status = STATUS_ABSENT;
    unsigned candidates = 0;
    for (unsigned i = 0; i < DESCRIPTORS_MAX && candidates < CANDIDATES_MAX; i++) {
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            break;
        }
        if (!is_named_ring(fd, entry->d_name)) {
            continue;
        }
        candidates++;
        enum status this = ring_open(fd, entry->d_name, own_pid, out, error);
        if (this == STATUS_OK) {
            return STATUS_OK;
        }
        status = this != STATUS_ABSENT ? this : status;
    }
    return status == STATUS_ABSENT ? error_set(error, STATUS_ABSENT, "there is no ring") : status;
}
