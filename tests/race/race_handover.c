/* A sampling and a writing thread pass batches to each other as fast as they can. Of use under
 * ThreadSanitizer above all (the tsan preset), which Criterion does not run under: its sandbox maps
 * memory where ThreadSanitizer keeps its own. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/aggregate/handover.h"

enum { BATCHES = 20000, STACKS = 50 };

static const struct code some;

static void require(int condition, const char *what) {
    if (!condition) {
        (void)fprintf(stderr, "race_handover: %s\n", what);
        exit(1);
    }
}

/* Batch number i holds i % STACKS + 1 samples with the metric i. */
static void *sample(void *argument) {
    struct handover *handover = argument;
    for (uint32_t i = 0; i < BATCHES; i++) {
        struct batch *batch;
        while ((batch = handover_take_empty(handover)) == NULL) {
            (void)sched_yield();
        }
        uint32_t thread = batch_thread(batch, 1, 0, "main");
        for (uint32_t j = 0; j <= i % STACKS; j++) {
            uint32_t node = batch_child(batch, BATCH_EMPTY_STACK, &some, j);
            require(batch_sample(batch, thread, node, 1, i), "the batch is full");
        }
        require(handover_given(handover) == i, "batches are counted wrong");
        require(handover_written(handover) <= i, "more is written than was given");
        handover_give_full(handover, batch);
    }
    handover_close(handover);
    return NULL;
}

int main(void) {
    struct handover *handover = NULL;
    pthread_t sampler;
    require(handover_create(true, NULL, &handover) == STATUS_OK, "out of memory");
    require(pthread_create(&sampler, NULL, sample, handover) == 0, "no thread");
    uint32_t seen = 0;
    while (!handover_is_finished(handover)) {
        /* Both ways of waiting. */
        uint64_t timeout = seen % 2 == 0 ? HANDOVER_FOREVER : 100000;
        struct batch *batch = handover_wait_full(handover, timeout);
        if (batch == NULL) {
            continue;
        }
        require(batch->sample_count == seen % STACKS + 1, "a batch has other samples");
        for (uint32_t i = 0; i < batch->sample_count; i++) {
            require(batch->samples[i].metric == seen, "a batch has another's samples");
            require(batch->nodes[batch->samples[i].node].unit == i, "a batch has other stacks");
        }
        handover_give_back(handover, batch);
        seen++;
    }
    (void)pthread_join(sampler, NULL);
    require(seen == BATCHES, "batches are missing");
    handover_destroy(handover);
    return 0;
}
