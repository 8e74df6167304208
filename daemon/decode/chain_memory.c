/* HOT: no allocation, lock, log or system call, except in reserve and destroy. */
#include "daemon/decode/chain_memory.h"

#include <stdlib.h>
#include <string.h>

enum { OWNERS_FULL = CHAIN_OWNERS / 4 * 3 };

enum status chain_memory_reserve(struct chain_memory **memory, uint32_t slots, uint32_t depth) {
    if (*memory == NULL) {
        *memory = calloc(1, sizeof **memory);
        if (*memory == NULL) {
            return STATUS_NOMEM;
        }
    }
    struct chain_memory *m = *memory;
    if (slots > m->slot_capacity) {
        struct chain_slot *grown = realloc(m->slots, slots * sizeof *grown);
        if (grown == NULL) {
            return STATUS_NOMEM;
        }
        memset(grown + m->slot_capacity, 0, (slots - m->slot_capacity) * sizeof *grown);
        m->slots = grown;
        m->slot_capacity = slots;
    }
    if (depth > m->path_capacity) {
        uint32_t *grown = realloc(m->path, depth * sizeof *grown);
        if (grown == NULL) {
            return STATUS_NOMEM;
        }
        m->path = grown;
        grown = realloc(m->living, depth * sizeof *grown);
        if (grown == NULL) {
            return STATUS_NOMEM;
        }
        m->living = grown;
        m->path_capacity = depth;
    }
    return STATUS_OK;
}

void chain_memory_destroy(struct chain_memory *memory) {
    if (memory != NULL) {
        free(memory->slots);
        free(memory->path);
        free(memory->living);
        free(memory);
    }
}

static uint32_t owner_find(const struct chain_memory *memory, uint64_t code) {
    uint32_t i = (uint32_t)((code * UINT64_C(0x9E3779B97F4A7C15)) >> 40) & (CHAIN_OWNERS - 1);
    while (memory->owners[i].code != 0 && memory->owners[i].code != code) {
        i = (i + 1) & (CHAIN_OWNERS - 1);
    }
    return i;
}

void chain_memory_own(struct chain_memory *memory, uint64_t code, uint64_t frame) {
    struct chain_owner *owner = &memory->owners[owner_find(memory, code)];
    if (owner->code == 0) {
        if (memory->owner_count == OWNERS_FULL) {
            memset(memory->owners, 0, sizeof memory->owners);
            memory->owner_count = 0;
            owner = &memory->owners[owner_find(memory, code)];
        }
        *owner = (struct chain_owner){.code = code, .frame = frame};
        memory->owner_count++;
    } else if (owner->frame != frame) {
        owner->several = true;
    }
}

bool chain_memory_owns(const struct chain_memory *memory, uint64_t code, uint64_t frame) {
    const struct chain_owner *owner = &memory->owners[owner_find(memory, code)];
    return owner->code == code && owner->frame == frame && !owner->several;
}
