/* thread_image: what one picture holds of one thread: its thread state, its datastack chunks, and
 * frames that lie outside them. HOT; a plain value over bytes that the picture owns, rebuilt for each.
 *
 * Bytes with addresses, whoever copied them: process_vm_readv or a test. The bytes are the target's, so
 * everything in them may be a lie. */
#ifndef ECHION_DAEMON_SNAPSHOT_THREAD_IMAGE_H
#define ECHION_DAEMON_SNAPSHOT_THREAD_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct extent {
    uint64_t address;
    const uint8_t *bytes;
    uint32_t size; /* bytes really copied */
};

struct thread_image {
    const uint8_t *state;         /* the thread state, layout->thread.size bytes */
    const struct extent *chunks;  /* the datastack, oldest chunk first */
    uint32_t chunk_count;
    const struct extent *outside; /* generators, entry frames on the C stack, heap frames */
    uint32_t outside_count;
};

/* The `size` bytes at `address` if the extents hold all of them, else NULL. */
static inline const uint8_t *extents_find(const struct extent *extents, uint32_t count,
                                          uint64_t address, uint32_t size) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t offset = address - extents[i].address;
        if (offset < extents[i].size && size <= extents[i].size - offset) {
            return extents[i].bytes + offset;
        }
    }
    return NULL;
}

/* A word of the target (4 or 8 bytes, little-endian as the host), zero-extended. */
static inline uint64_t image_word(const uint8_t *bytes, unsigned word_size) {
    if (word_size == 8) {
        uint64_t value;
        memcpy(&value, bytes, sizeof value);
        return value;
    }
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline int32_t image_int(const uint8_t *bytes) {
    int32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

#endif
