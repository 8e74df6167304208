#include "daemon/target/memory_write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/guard.h"

enum status memory_write_open(const struct process *process, struct memory_write *out,
                              struct error *error) {
    GUARD_FD int fd = openat(process->dir, "mem", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        enum status status = process_alive(process) ? status_from_errno(errno) : STATUS_GONE;
        return error_set(error, status, "cannot write to the memory of process %d: %s",
                         process->pid, strerror(errno));
    }
    /* Asked after the opening: the program that is there now is the one whose memory was opened. */
    if (!process_same_program(process)) {
        return error_set(error, STATUS_GONE, "process %d has ended, or runs another program now",
                         process->pid);
    }
    out->word_size = process->program.word_size;
    out->fd = guard_fd_take(&fd);
    return STATUS_OK;
}

void memory_write_close(struct memory_write *door) {
    guard_fd_close(&door->fd);
    *door = MEMORY_WRITE_NONE;
}

/* What a transfer of `size` bytes came to. Nothing at all: the memory has no users any more
 * (fs/proc/base.c, mem_rw). EIO: no such page. */
static enum status transfer_status(ssize_t done, size_t size) {
    if (done < 0) {
        return errno == EIO || errno == EINVAL ? STATUS_TORN : status_from_errno(errno);
    }
    if (done == 0) {
        return STATUS_GONE;
    }
    return (size_t)done == size ? STATUS_OK : STATUS_TORN;
}

/* An offset of a file is signed. No program has memory above. */
static bool address_is_absurd(struct raddr address, size_t size) {
    return address.v > INT64_MAX - size;
}

enum status memory_write_put(const struct memory_write *door, struct raddr address,
                             const void *bytes, size_t size) {
    if (size == 0) {
        return STATUS_OK;
    }
    if (address_is_absurd(address, size)) {
        return STATUS_TORN;
    }
    return transfer_status(pwrite(door->fd, bytes, size, (off_t)address.v), size);
}

enum status memory_write_get(const struct memory_write *door, struct raddr address, void *out,
                             size_t size) {
    if (size == 0) {
        return STATUS_OK;
    }
    if (address_is_absurd(address, size)) {
        return STATUS_TORN;
    }
    return transfer_status(pread(door->fd, out, size, (off_t)address.v), size);
}

enum status memory_write_get_word(const struct memory_write *door, struct raddr address,
                                  uint64_t *out) {
    uint64_t word = 0; /* both machines are little-endian: four bytes fill the low half */
    enum status status = memory_write_get(door, address, &word, door->word_size);
    if (status == STATUS_OK) {
        *out = word;
    }
    return status;
}
