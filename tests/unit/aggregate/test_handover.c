#include "daemon/aggregate/handover.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

static const struct code some;

static struct handover *make(void) {
    struct handover *handover = NULL;
    cr_assert_eq(handover_create(true, NULL, &handover), STATUS_OK);
    return handover;
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

Test(handover, the_sampler_gets_two_batches_and_no_third) {
    struct handover *handover = make();
    struct batch *first = handover_take_empty(handover);
    cr_assert_not_null(first);
    handover_give_full(handover, first);
    struct batch *second = handover_take_empty(handover);
    cr_assert_not_null(second);
    cr_assert_neq(second, first);
    handover_give_full(handover, second);
    cr_assert_null(handover_take_empty(handover));
    cr_assert_eq(handover_given(handover), 2);
    cr_assert_eq(handover_written(handover), 0);

    cr_assert_eq(handover_wait_full(handover, HANDOVER_FOREVER), first);
    cr_assert_null(handover_take_empty(handover), "it is still being written");
    handover_give_back(handover, first);
    cr_assert_eq(handover_written(handover), 1);
    cr_assert_eq(handover_take_empty(handover), first);
    handover_destroy(handover);
}

Test(handover, a_batch_comes_back_empty) {
    struct handover *handover = make();
    struct batch *batch = handover_take_empty(handover);
    uint32_t thread = batch_thread(batch, 1, 0, "main");
    cr_assert(batch_sample(batch, thread, batch_child(batch, 0, &some, 0), 1, 1));
    handover_give_full(handover, batch);
    batch = handover_wait_full(handover, 0);
    cr_assert_not_null(batch);
    cr_assert_eq(batch->sample_count, 1);
    handover_give_back(handover, batch);
    cr_assert_eq(batch->sample_count, 0);
    cr_assert_eq(batch->node_count, 1);
    handover_destroy(handover);
}

Test(handover, waiting_ends_in_time) {
    struct handover *handover = make();
    uint64_t start = now_ns();
    cr_assert_null(handover_wait_full(handover, 50 * 1000000UL));
    uint64_t passed = now_ns() - start;
    cr_assert_geq(passed, 50 * 1000000UL);
    cr_assert_leq(passed, 2000 * 1000000ULL);
    cr_assert_null(handover_wait_full(handover, 0));
    cr_assert_not(handover_is_finished(handover));
    handover_destroy(handover);
}

Test(handover, what_was_given_before_closing_is_written) {
    struct handover *handover = make();
    handover_give_full(handover, handover_take_empty(handover));
    handover_close(handover);
    cr_assert_not(handover_is_finished(handover));
    struct batch *batch = handover_wait_full(handover, HANDOVER_FOREVER);
    cr_assert_not_null(batch);
    handover_give_back(handover, batch);
    cr_assert_null(handover_wait_full(handover, HANDOVER_FOREVER));
    cr_assert(handover_is_finished(handover));
    handover_destroy(handover);
}

enum { BATCHES = 20000 };

/* A sampler's thread: batch number i has i % 100 + 1 samples, each with the metric i. */
static void *fill(void *argument) {
    struct handover *handover = argument;
    for (uint32_t i = 0; i < BATCHES; i++) {
        struct batch *batch;
        while ((batch = handover_take_empty(handover)) == NULL) {
            sched_yield();
        }
        cr_assert_eq(handover_given(handover), i);
        uint32_t thread = batch_thread(batch, 1, 0, "main");
        for (uint32_t j = 0; j <= i % 100; j++) {
            uint32_t node = batch_child(batch, BATCH_EMPTY_STACK, &some, j);
            cr_assert(batch_sample(batch, thread, node, 1, i));
        }
        handover_give_full(handover, batch);
    }
    handover_close(handover);
    return NULL;
}

/* Run under ThreadSanitizer too (the tsan preset): the batches' content is what it watches. */
Test(handover, two_threads_pass_every_batch_in_order_and_whole, .timeout = 60) {
    struct handover *handover = make();
    pthread_t sampler;
    cr_assert_eq(pthread_create(&sampler, NULL, fill, handover), 0);
    uint32_t seen = 0;
    struct batch *batch;
    while ((batch = handover_wait_full(handover, HANDOVER_FOREVER)) != NULL) {
        cr_assert_eq(handover_written(handover), seen);
        cr_assert_eq(batch->sample_count, seen % 100 + 1);
        for (uint32_t i = 0; i < batch->sample_count; i++) {
            cr_assert_eq(batch->samples[i].metric, seen);
            cr_assert_eq(batch->nodes[batch->samples[i].node].unit, i);
        }
        handover_give_back(handover, batch);
        seen++;
    }
    pthread_join(sampler, NULL);
    cr_assert_eq(seen, BATCHES);
    cr_assert(handover_is_finished(handover));
    handover_destroy(handover);
}

Test(handover, destroying_nothing_is_fine) {
    handover_destroy(NULL);
}
