/* thread_image: what one picture holds of one thread: its thread state, its datastack chunks, and
 * frames that lie outside them. HOT; a plain value over bytes that the picture owns, rebuilt for
 * each.
 *
 * Bytes with addresses, whoever copied them: process_vm_readv or a test. The bytes are the
 * target's, so everything in them may be a lie. */
#ifndef ECHION_DAEMON_SNAPSHOT_THREAD_IMAGE_H
#define ECHION_DAEMON_SNAPSHOT_THREAD_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "daemon/snapshot/frame_index.h"

/* A larger datastack chunk than any frame needs is a lie. */
enum { CHUNK_BYTES_MAX = 8 << 20 };

struct extent {
    uint64_t address;
    const uint8_t *bytes;
    uint32_t size;  /* bytes really copied */
    uint32_t whole; /* bytes that the chunk has */
};

struct thread_image {
    const uint8_t *state;        /* the thread state, layout->thread.size bytes */
    const struct extent *chunks; /* the datastack, oldest chunk first */
    uint32_t chunk_count;
    const struct frame_index *frames; /* to 3.10: the frame objects */
    const uint8_t *leaf_again;    /* to 3.10: the word that names the leaf once more, as it was when
                                     the    frames had been copied; may be NULL */
    const struct extent *outside; /* generators, entry frames on the C stack */
    uint32_t outside_count;
    const uint64_t *generators; /* frames that were generators' in the last stacks, by address */
    uint32_t generator_count;
    struct extent again; /* the last chunk once more, as it was when the others had been copied; may
                            be empty */
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

/* Whether an address lies in one of the extents, copied or not. */
static inline bool extents_have(const struct extent *extents, uint32_t count, uint64_t address) {
    for (uint32_t i = 0; i < count; i++) {
        if (address - extents[i].address < extents[i].whole) {
            return true;
        }
    }
    return false;
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
