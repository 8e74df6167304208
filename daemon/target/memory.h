/* memory: the one door through which target memory is read. A plain value; any thread may read through
 * its own copy. HOT: no allocation, lock or log; one system call per function call.
 *
 * A read can block without end (userfaultfd, FUSE, a stuck mmap lock) and cannot be interrupted from
 * this process: whoever reads on a thread that must not hang lets another thread watch it. */
#ifndef ECHION_DAEMON_TARGET_MEMORY_H
#define ECHION_DAEMON_TARGET_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/raddr.h"
#include "common/status.h"

struct memory {
    pid_t pid;          /* any live thread of the process will do */
    unsigned word_size; /* bytes in a pointer of the target: 4 or 8 */
};

/* Copies all of `size` bytes at `address` to `out`, or fails: GONE when the process has no memory (any
 * more), TORN when part of the range is not mapped, DENIED when the kernel refuses. On failure `out`
 * may have been written. */
STATUS_CHECKED enum status memory_read(const struct memory *memory, struct raddr address, void *out,
                                       size_t size);

/* Copies `count` (at most IOV_MAX) spans, one behind another, to `out`, which has room for all of them,
 * in one process_vm_readv. `*got` is the number of bytes copied, fewer where a span is not mapped; TORN
 * when that is none at all. Statuses as above. */
STATUS_CHECKED enum status memory_read_batch(const struct memory *memory, void *out,
                                             const struct iovec *remote, unsigned count,
                                             size_t *got);

/* Reads a word of the target, zero-extended. */
STATUS_CHECKED enum status memory_read_word(const struct memory *memory, struct raddr address,
                                            uint64_t *out);

/* Reads a NUL-terminated string of fewer than `size` bytes into `out`; CORRUPT when it is longer. */
STATUS_CHECKED enum status memory_read_string(const struct memory *memory, struct raddr address,
                                              char *out, size_t size);

#endif
