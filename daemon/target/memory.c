/* HOT: nothing but the one system call each. */
#include "daemon/target/memory.h"

#include <errno.h>
#include <string.h>

enum { PAGE_BYTES = 4096 };

enum status memory_read_batch(const struct memory *memory, void *out, const struct iovec *remote,
                              unsigned count, size_t *got) {
    size_t size = 0;
    for (unsigned i = 0; i < count; i++) {
        size += remote[i].iov_len;
    }
    struct iovec local = {.iov_base = out, .iov_len = size};
    ssize_t n = process_vm_readv(memory->pid, &local, 1, remote, count, 0);
    if (n < 0) {
        return status_from_errno(errno);
    }
    *got = (size_t)n;
    return STATUS_OK;
}

enum status memory_read(const struct memory *memory, struct raddr address, void *out,
                        size_t size) {
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address.v, .iov_len = size};
    size_t got = 0;
    enum status status = memory_read_batch(memory, out, &remote, 1, &got);
    if (status == STATUS_OK && got < size) {
        return STATUS_TORN;
    }
    return status;
}

enum status memory_read_word(const struct memory *memory, struct raddr address, uint64_t *out) {
    uint64_t word = 0;
    enum status status = memory_read(memory, address, &word, memory->word_size);
    if (status == STATUS_OK) {
        *out = word;
    }
    return status;
}

enum status memory_read_string(const struct memory *memory, struct raddr address, char *out,
                               size_t size) {
    /* Page by page: what lies behind the string's end may not be mapped. */
    for (size_t used = 0; used < size;) {
        size_t left = PAGE_BYTES - (size_t)((address.v + used) % PAGE_BYTES);
        size_t step = left < size - used ? left : size - used;
        enum status status = memory_read(memory, raddr_add(address, used), out + used, step);
        if (status != STATUS_OK) {
            return status;
        }
        if (memchr(out + used, '\0', step) != NULL) {
            return STATUS_OK;
        }
        used += step;
    }
    return STATUS_CORRUPT;
}
