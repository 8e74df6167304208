/* picture: a copy of many spans of the target's memory, taken with as few system calls as possible.
 *
 * HOT: after creation nothing here allocates, logs or makes another system call than the read
 * itself. Owned by one sampler and used by its thread only. The order of the spans is the order in
 * which the kernel copies them, which the stack walkers rely on (docs/sampling.md). */
#ifndef ECHION_DAEMON_SNAPSHOT_PICTURE_H
#define ECHION_DAEMON_SNAPSHOT_PICTURE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/target/memory.h"

/* Answer of picture_add when the picture has no room left. */
#define PICTURE_FULL UINT32_MAX

struct span {
    struct raddr address;
    uint32_t size; /* bytes asked for */
    uint32_t got;  /* bytes copied: less than `size` where the rest is not mapped (any more) */
    size_t at;     /* offset of its bytes in the picture */
};

struct picture {
    uint8_t *bytes;
    size_t size, capacity; /* bytes in use by the spans, and allocated */
    struct span *spans;
    struct iovec *remote;
    uint32_t count, span_capacity;
};

/* Room for `spans` spans of `bytes` bytes in all. NOMEM if that cannot be had. */
STATUS_CHECKED enum status picture_create(uint32_t spans, size_t bytes, struct picture **out);
void picture_destroy(struct picture *picture);

/* Forgets the spans. */
void picture_begin(struct picture *picture);

/* Forgets the spans from index `count` on, if there are so many. */
void picture_cut(struct picture *picture, uint32_t count);

/* Adds a span; its index, or PICTURE_FULL. */
uint32_t picture_add(struct picture *picture, struct raddr address, uint32_t size);

/* Copies spans `first` to the last, in order: one process_vm_readv for up to IOV_MAX of them. Where
 * a span cannot be read (any more) the spans behind it are still read, by a further call. OK also
 * then: look at `got`. GONE when the process has no memory any more, DENIED when it may not be
 * read. */
STATUS_CHECKED enum status picture_take(struct picture *picture, uint32_t first,
                                        const struct memory *memory);

static inline const uint8_t *picture_span_bytes(const struct picture *picture, uint32_t index) {
    return picture->bytes + picture->spans[index].at;
}

#endif
