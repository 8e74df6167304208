/* memory_write: the one door through which a target's memory is written. Sampling has no need of it
 * and does not open it; getting the shim in does. Owns a descriptor; one thread at a time. Cold.
 *
 * It is /proc/PID/mem, opened once, and not process_vm_writev: the descriptor keeps to the memory
 * of the program that ran when it was opened (fs/proc/base.c: mem_open), so that neither an exec
 * nor a process that has been given the same pid can ever be written to. Nothing that is checked
 * before a write could rule that out, a pid being all that process_vm_writev knows. What is read
 * in order to decide about a write is read through the same door.
 *
 * The door also opens pages that the target itself may not write (FOLL_FORCE): the caller writes
 * only where the target's mappings are writable. A write can block as long as memory_read can.
 *
 * Status of each function: TORN where nothing is mapped (any more), GONE when the program has ended
 * or been replaced by another, DENIED, NOMEM, SYS. */
#ifndef ECHION_DAEMON_TARGET_MEMORY_WRITE_H
#define ECHION_DAEMON_TARGET_MEMORY_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/target/process.h"

struct memory_write {
    int fd;
    unsigned word_size; /* bytes in a pointer of the target: 4 or 8 */
};

#define MEMORY_WRITE_NONE ((struct memory_write){.fd = -1})

/* Opens it for the program that `process` has noted. */
STATUS_CHECKED enum status memory_write_open(const struct process *process,
                                             struct memory_write *out, struct error *error);

/* Accepts MEMORY_WRITE_NONE. */
void memory_write_close(struct memory_write *door);

/* All `size` bytes, which stand in this order: a single byte is there or is not, of more than one
 * the target may see some first. */
STATUS_CHECKED enum status memory_write_put(const struct memory_write *door, struct raddr address,
                                            const void *bytes, size_t size);

/* All `size` bytes or none: on failure what stands in `out` means nothing. */
STATUS_CHECKED enum status memory_write_get(const struct memory_write *door, struct raddr address,
                                            void *out, size_t size);

/* One pointer of the target's width, zero-extended. `*out` is untouched on failure. */
STATUS_CHECKED enum status memory_write_get_word(const struct memory_write *door,
                                                 struct raddr address, uint64_t *out);

#endif
