/* HOT: see memory.h. */
#include "daemon/target/memory.h"

#include <errno.h>
#include <string.h>

/* The span as the system call wants it. The daemon is a 64-bit program, so every address fits. */
static struct iovec span_make(struct raddr address, size_t size) {
    _Static_assert(sizeof(void *) >= sizeof address.v, "remote addresses must fit a pointer");
    return (struct iovec){.iov_base = (void *)(uintptr_t)address.v, .iov_len = size};
}

/* What errno says. EINVAL: the lengths overflow, so somebody believed a torn one. */
static enum status read_failure(void) {
    return errno == EINVAL ? STATUS_TORN : status_from_errno(errno);
}

enum status memory_read_batch(const struct memory *memory, void *out, const struct iovec *remote,
                              unsigned count, size_t *got) {
    /* Lengths whose sum wraps are absurd; the kernel copies no more than the sum says. */
    struct iovec local = {.iov_base = out, .iov_len = 0};
    for (unsigned i = 0; i < count; ++i) {
        local.iov_len += remote[i].iov_len;
    }
    ssize_t copied = process_vm_readv(memory->pid, &local, 1, remote, count, 0);
    if (copied < 0) {
        return read_failure();
    }
    *got = (size_t)copied;
    return STATUS_OK;
}

enum status memory_read(const struct memory *memory, struct raddr address, void *out, size_t size) {
    struct iovec local = {.iov_base = out, .iov_len = size};
    struct iovec remote = span_make(address, size);
    ssize_t copied = process_vm_readv(memory->pid, &local, 1, &remote, 1, 0);
    if (copied < 0) {
        return read_failure();
    }
    return (size_t)copied == size ? STATUS_OK : STATUS_TORN;
}

enum status memory_read_word(const struct memory *memory, struct raddr address, uint64_t *out) {
    uint64_t word = 0; /* both machines are little-endian: four bytes fill the low half */
    enum status status = memory_read(memory, address, &word, memory->word_size);
    if (status == STATUS_OK) {
        *out = word;
    }
    return status;
}

enum status memory_read_string(const struct memory *memory, struct raddr address, char *out,
                               size_t capacity) {
    struct iovec remote = span_make(address, capacity);
    size_t got = 0;
    enum status status = memory_read_batch(memory, out, &remote, 1, &got);
    if (status == STATUS_OK && memchr(out, '\0', got) == NULL) {
        status = got == capacity ? STATUS_CORRUPT : STATUS_TORN;
    }
    if (status != STATUS_OK) {
        out[0] = '\0';
    }
    return status;
}
