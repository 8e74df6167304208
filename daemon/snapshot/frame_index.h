/* frame_index: the frame objects (PyFrameObject, to 3.10) that are copied along with one thread's
 * state, by address. A frame keeps its slot for as long as it is known, so that others can keep
 * what they know of it in arrays of their own. Owned by a chain_plan and used by its thread only;
 * or made by a test. HOT but for adding and deinit. */
#ifndef ECHION_DAEMON_SNAPSHOT_FRAME_INDEX_H
#define ECHION_DAEMON_SNAPSHOT_FRAME_INDEX_H

#include <stdint.h>

#include "common/status.h"

/* Answer of frame_index_find when the frame is not known. */
#define FRAME_UNKNOWN UINT32_MAX

enum { FRAME_INDEX_MAX = 1 << 15 };

struct indexed_frame {
    uint64_t address;     /* 0: the slot is free */
    const uint8_t *bytes; /* of the frame, in the picture at hand; NULL where that has none */
};

struct frame_index {
    struct indexed_frame *frames; /* by slot */
    uint32_t *table;              /* slot + 1 by hash of the address; 0: free */
    uint32_t *free_slots;
    uint32_t capacity, count, free_count, mask;
};

/* An all-zero index is an empty one. */
void frame_index_deinit(struct frame_index *index);

/* Makes the frame at `address`, not 0, known; its slot. FRAME_UNKNOWN when there is no more room,
 * or no memory. May move `frames`. */
uint32_t frame_index_add(struct frame_index *index, uint64_t address);

/* Forgets the frame in `slot`. */
void frame_index_remove(struct frame_index *index, uint32_t slot);

static inline uint32_t frame_index_hash(uint64_t address) {
    return (uint32_t)((address * UINT64_C(0x9E3779B97F4A7C15)) >> 40);
}

/* The slot of the frame at `address`, or FRAME_UNKNOWN. */
static inline uint32_t frame_index_find(const struct frame_index *index, uint64_t address) {
    if (index->count == 0) {
        return FRAME_UNKNOWN;
    }
    uint32_t i = frame_index_hash(address) & index->mask;
    while (index->table[i] != 0) {
        uint32_t slot = index->table[i] - 1;
        if (index->frames[slot].address == address) {
            return slot;
        }
        i = (i + 1) & index->mask;
    }
    return FRAME_UNKNOWN;
}

#endif
