/* HOT: no allocation, lock, log or system call, except where the index grows. */
#include "daemon/snapshot/frame_index.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 64 };

void frame_index_deinit(struct frame_index *index) {
    free(index->frames);
    free(index->table);
    free(index->free_slots);
    *index = (struct frame_index){.frames = NULL};
}

static void table_put(struct frame_index *index, uint32_t slot) {
    uint32_t i = frame_index_hash(index->frames[slot].address) & index->mask;
    while (index->table[i] != 0) {
        i = (i + 1) & index->mask;
    }
    index->table[i] = slot + 1;
}

/* Twice the room: the table is kept at most half full. */
static enum status index_grow(struct frame_index *index) {
    uint32_t capacity = index->capacity == 0 ? CAPACITY_FIRST : index->capacity * 2;
    if (capacity > FRAME_INDEX_MAX) {
        return STATUS_NOMEM;
    }
    uint32_t *table = calloc(2 * (size_t)capacity, sizeof *table);
    struct indexed_frame *frames = realloc(index->frames, capacity * sizeof *frames);
    index->frames = frames != NULL ? frames : index->frames;
    uint32_t *free_slots = realloc(index->free_slots, capacity * sizeof *free_slots);
    index->free_slots = free_slots != NULL ? free_slots : index->free_slots;
    if (table == NULL || frames == NULL || free_slots == NULL) {
        free(table);
        return STATUS_NOMEM;
    }
    free(index->table);
    index->table = table;
    index->mask = 2 * capacity - 1;
    for (uint32_t slot = capacity; slot-- > index->capacity;) {
        index->frames[slot] = (struct indexed_frame){.address = 0};
        index->free_slots[index->free_count++] = slot;
    }
    for (uint32_t slot = 0; slot < index->capacity; slot++) {
        if (index->frames[slot].address != 0) {
            table_put(index, slot);
        }
    }
    index->capacity = capacity;
    return STATUS_OK;
}

uint32_t frame_index_add(struct frame_index *index, uint64_t address) {
    if (index->free_count == 0 && index_grow(index) != STATUS_OK) {
        return FRAME_UNKNOWN;
    }
    uint32_t slot = index->free_slots[--index->free_count];
    index->frames[slot] = (struct indexed_frame){.address = address};
    index->count++;
    table_put(index, slot);
    return slot;
}

void frame_index_remove(struct frame_index *index, uint32_t slot) {
    uint32_t i = frame_index_hash(index->frames[slot].address) & index->mask;
    while (index->table[i] != slot + 1) {
        i = (i + 1) & index->mask;
    }
    index->frames[slot] = (struct indexed_frame){.address = 0};
    index->free_slots[index->free_count++] = slot;
    index->count--;
    /* Closes the gap: what stands behind it and was pushed on by it moves up. */
    for (uint32_t next = (i + 1) & index->mask; index->table[next] != 0;
         next = (next + 1) & index->mask) {
        uint64_t address = index->frames[index->table[next] - 1].address;
        uint32_t home = frame_index_hash(address) & index->mask;
        if (((next - home) & index->mask) >= ((next - i) & index->mask)) {
            index->table[i] = index->table[next];
            i = next;
        }
    }
    index->table[i] = 0;
}
