/* memory: the one door through which a target's memory is read. HOT: each call is one
 * process_vm_readv; no function here allocates, locks, logs or makes another system call.
 *
 * A plain value that owns nothing; any number of threads may read through it. Reading never stops
 * or changes the target. Addresses and lengths may come from the target itself: a wrong one is
 * STATUS_TORN, never a fault.
 *
 * A read can BLOCK FOR EVER: on a page that a userfaultfd or FUSE server does not deliver, or
 * behind a stuck mmap lock. Only a fatal signal ends it, so a reader that must not hang notes when
 * it began, and another thread watches that (sampler_read_since).
 *
 * Status of every function: TORN where memory is not mapped (any more) or the address is absurd,
 * GONE when the process has no memory (any more), DENIED when the kernel forbids it, NOMEM, SYS. */
#ifndef ECHION_DAEMON_TARGET_MEMORY_H
#define ECHION_DAEMON_TARGET_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/raddr.h"
#include "common/status.h"

struct memory {
    pid_t pid;          /* in our PID namespace; any live thread of the process will do */
    unsigned word_size; /* bytes in a pointer of the target: 4 or 8 */
};

/* All `size` bytes or none: on failure what stands in `out` means nothing. A size of 0 is OK. */
STATUS_CHECKED enum status memory_read(const struct memory *memory, struct raddr address, void *out,
                                       size_t size);

/* HOT. Copies `count` (at most IOV_MAX) spans of the target's memory, in their order, one behind
 * the other into `out`, which has room for all of them, by a single process_vm_readv. OK with
 * `*got`, the bytes copied, less than the sum where a span is not mapped: what stands before that
 * place is there, nothing behind it. TORN, `*got` untouched, when not even the first byte could be
 * had. An iov_base is a remote address in pointer's clothes, as the system call wants it. */
STATUS_CHECKED enum status memory_read_batch(const struct memory *memory, void *out,
                                             const struct iovec *remote, unsigned count,
                                             size_t *got);

/* One pointer of the target's width, zero-extended. `*out` is untouched on failure. */
STATUS_CHECKED enum status memory_read_word(const struct memory *memory, struct raddr address,
                                            uint64_t *out);

/* A C string with its NUL; `capacity` at least 1. CORRUPT when there is no NUL within `capacity`
 * bytes, TORN when memory ends before one; `out` is an empty string on failure. */
STATUS_CHECKED enum status memory_read_string(const struct memory *memory, struct raddr address,
                                              char *out, size_t capacity);

#endif
