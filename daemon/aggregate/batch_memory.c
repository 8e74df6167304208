/* The memory of a batch, some 3 MiB: cold, and apart from batch.c, which allocates nothing. */
#include <stdlib.h>

#include "daemon/aggregate/batch.h"

enum {
    NODE_CAPACITY = 1 << 15,
    NODE_SLOTS = 2 * NODE_CAPACITY,
    SAMPLE_CAPACITY = 1 << 16,
    SAMPLE_SLOTS = 2 * SAMPLE_CAPACITY,
    THREAD_CAPACITY = 4096,
    LABEL_CAPACITY = 256 * 1024,
};

enum status batch_create(bool merge, struct batch **out) {
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        return STATUS_NOMEM;
    }
    *batch = (struct batch){
        .merge = merge,
        .nodes = calloc(NODE_CAPACITY, sizeof *batch->nodes),
        .node_count = 1, /* the empty stack */
        .node_capacity = NODE_CAPACITY,
        .node_slots = calloc(NODE_SLOTS, sizeof *batch->node_slots),
        .node_slot_mask = NODE_SLOTS - 1,
        .samples = calloc(SAMPLE_CAPACITY, sizeof *batch->samples),
        .sample_capacity = SAMPLE_CAPACITY,
        .sample_slots = merge ? calloc(SAMPLE_SLOTS, sizeof *batch->sample_slots) : NULL,
        .sample_slot_mask = SAMPLE_SLOTS - 1,
        .threads = calloc(THREAD_CAPACITY, sizeof *batch->threads),
        .thread_capacity = THREAD_CAPACITY,
        .labels = calloc(LABEL_CAPACITY, 1),
        .label_capacity = LABEL_CAPACITY,
    };
    if (batch->nodes == NULL || batch->node_slots == NULL || batch->samples == NULL ||
        (merge && batch->sample_slots == NULL) || batch->threads == NULL || batch->labels == NULL) {
        batch_destroy(batch);
        return STATUS_NOMEM;
    }
    *out = batch;
    return STATUS_OK;
}

void batch_destroy(struct batch *batch) {
    if (batch == NULL) {
        return;
    }
    free(batch->nodes);
    free(batch->node_slots);
    free(batch->samples);
    free(batch->sample_slots);
    free(batch->threads);
    free(batch->labels);
    free(batch);
}
