/* HOT: the functions here run for every sample. They allocate nothing and call nothing. */
#include "daemon/aggregate/batch.h"

#include <string.h>

/* Both tables are open-addressed with linear probing, at most half full, and hold indices only. */

static inline uint32_t hash(uint64_t a, uint64_t b) {
    uint64_t mixed = (a ^ (b * 0x9E3779B97F4A7C15U)) * 0xD6E8FEB86659FD93U;
    return (uint32_t)(mixed >> 32) ^ (uint32_t)(mixed >> 51);
}

static inline uint32_t node_hash(uint32_t parent, const struct code *code, uint32_t unit) {
    return hash((uint64_t)(uintptr_t)code, (uint64_t)parent << 32 | unit);
}

static inline uint32_t sample_hash(uint32_t thread, uint32_t node) {
    return hash((uint64_t)thread << 32 | node, 0);
}

/* Empties a table of `count` entries. When few of its slots are in use it is quicker to look for
 * each of them; the last to come goes first, so that each is found where it was put. */
static void forget_nodes(struct batch *batch) {
    uint32_t slots = batch->node_slot_mask + 1;
    if (batch->node_count > slots / 16) {
        memset(batch->node_slots, 0, slots * sizeof *batch->node_slots);
        return;
    }
    for (uint32_t i = batch->node_count; i-- > 1;) {
        const struct batch_node *node = &batch->nodes[i];
        uint32_t slot = node_hash(node->parent, node->code, node->unit) & batch->node_slot_mask;
        while (batch->node_slots[slot] != i) {
            slot = (slot + 1) & batch->node_slot_mask;
        }
        batch->node_slots[slot] = 0;
    }
}

static void forget_samples(struct batch *batch) {
    uint32_t slots = batch->sample_slot_mask + 1;
    if (batch->sample_count > slots / 16) {
        memset(batch->sample_slots, 0, slots * sizeof *batch->sample_slots);
        return;
    }
    for (uint32_t i = batch->sample_count; i > 0; i--) {
        const struct batch_sample *sample = &batch->samples[i - 1];
        uint32_t slot = sample_hash(sample->thread, sample->node) & batch->sample_slot_mask;
        while (batch->sample_slots[slot] != i) {
            slot = (slot + 1) & batch->sample_slot_mask;
        }
        batch->sample_slots[slot] = 0;
    }
}

void batch_clear(struct batch *batch) {
    forget_nodes(batch);
    if (batch->merge) {
        forget_samples(batch);
    }
    batch->node_count = 1; /* the empty stack */
    batch->sample_count = 0;
    batch->thread_count = 0;
    batch->label_size = 0;
}

uint32_t batch_child(struct batch *batch, uint32_t parent, const struct code *code, uint32_t unit) {
    uint32_t slot = node_hash(parent, code, unit) & batch->node_slot_mask;
    uint32_t index;
    while ((index = batch->node_slots[slot]) != 0) {
        const struct batch_node *node = &batch->nodes[index];
        if (node->code == code && node->parent == parent && node->unit == unit) {
            return index;
        }
        slot = (slot + 1) & batch->node_slot_mask;
    }
    if (batch->node_count == batch->node_capacity) {
        return BATCH_FULL;
    }
    index = batch->node_count++;
    batch->nodes[index] = (struct batch_node){.code = code, .parent = parent, .unit = unit};
    batch->node_slots[slot] = index;
    return index;
}

/* The length of `label`, cut to what is kept of it, and not within a UTF-8 sequence. */
static uint32_t label_length(const char *label) {
    size_t length = strnlen(label, BATCH_LABEL_MAX);
    if (length < BATCH_LABEL_MAX) {
        return (uint32_t)length;
    }
    length = BATCH_LABEL_MAX - 1;
    while (length > 0 && ((unsigned char)label[length] & 0xC0U) == 0x80U) {
        length--;
    }
    return (uint32_t)length;
}

/* Keeps a copy of `label`; where it is, or BATCH_FULL. */
static uint32_t label_add(struct batch *batch, const char *label) {
    uint32_t length = label_length(label);
    if (batch->label_capacity - batch->label_size < length + 1) {
        return BATCH_FULL;
    }
    uint32_t at = batch->label_size;
    memcpy(batch->labels + at, label, length);
    batch->labels[at + length] = '\0';
    batch->label_size += length + 1;
    return at;
}

uint32_t batch_thread(struct batch *batch, int32_t pid, int64_t interpreter, const char *label) {
    if (batch->thread_count == batch->thread_capacity) {
        return BATCH_FULL;
    }
    uint32_t at = label_add(batch, label);
    if (at == BATCH_FULL) {
        return BATCH_FULL;
    }
    uint32_t index = batch->thread_count++;
    batch->threads[index] =
        (struct batch_thread){.pid = pid, .interpreter = interpreter, .label_at = at};
    return index;
}

bool batch_relabel(struct batch *batch, uint32_t thread, const char *label) {
    uint32_t at = label_add(batch, label);
    if (at == BATCH_FULL) {
        return false;
    }
    batch->threads[thread].label_at = at;
    return true;
}

bool batch_sample(struct batch *batch, uint32_t thread, uint32_t node, uint32_t count,
                  int64_t metric) {
    uint32_t slot = 0;
    if (batch->merge) {
        slot = sample_hash(thread, node) & batch->sample_slot_mask;
        uint32_t found;
        while ((found = batch->sample_slots[slot]) != 0) {
            struct batch_sample *sample = &batch->samples[found - 1];
            if (sample->node == node && sample->thread == thread) {
                sample->count += count;
                sample->metric += metric;
                return true;
            }
            slot = (slot + 1) & batch->sample_slot_mask;
        }
    }
    if (batch->sample_count == batch->sample_capacity) {
        return false;
    }
    batch->samples[batch->sample_count++] =
        (struct batch_sample){.thread = thread, .node = node, .count = count, .metric = metric};
    if (batch->merge) {
        batch->sample_slots[slot] = batch->sample_count;
    }
    return true;
}
