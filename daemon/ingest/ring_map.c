#include "daemon/ingest/ring_map.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* What speaks against mapping it; NULL if nothing does. */
static const char *objection(int fd, int seals) {
    struct stat info;
    struct statfs system;
    if (fstat(fd, &info) != 0 || fstatfs(fd, &system) != 0) {
        return "cannot be looked at";
    }
    if (!S_ISREG(info.st_mode) || system.f_type != TMPFS_MAGIC) {
        return "is not of ordinary memory";
    }
    if ((seals & F_SEAL_SHRINK) == 0) {
        return "could be cut short";
    }
    if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) {
        return "cannot be written to";
    }
    return info.st_size == (off_t)sizeof(struct ring) ? NULL : "has another size";
}

enum status ring_map(int fd, struct ring **out, struct error *error) {
    /* Only a memfd, and what else lies on the kernel's own tmpfs, has seals; a file of /dev/shm may
     * not have any but F_SEAL_SEAL. */
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0) {
        return error_set(error, STATUS_ABSENT, "this is no memfd");
    }
    const char *reason = objection(fd, seals);
    if (reason != NULL) {
        return error_set(error, STATUS_CORRUPT, "the ring %s", reason);
    }
    void *memory = mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return error_set(error, STATUS_SYS, "cannot map the ring: %s", strerror(errno));
    }
    *out = memory;
    return STATUS_OK;
}

void ring_unmap(struct ring *ring) {
    if (ring != NULL) {
        (void)munmap(ring, sizeof *ring);
    }
}
