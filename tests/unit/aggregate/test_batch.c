#include "daemon/aggregate/batch.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static struct batch *make(bool merge) {
    struct batch *batch = NULL;
    cr_assert_eq(batch_create(merge, &batch), STATUS_OK);
    return batch;
}

static const struct code some[3];

Test(batch, the_same_frame_under_the_same_caller_is_one_node) {
    struct batch *batch = make(true);
    uint32_t a = batch_child(batch, BATCH_EMPTY_STACK, &some[0], 3);
    uint32_t b = batch_child(batch, a, &some[1], 0);
    cr_assert_eq(batch_child(batch, BATCH_EMPTY_STACK, &some[0], 3), a);
    cr_assert_eq(batch_child(batch, a, &some[1], 0), b);
    cr_assert_neq(batch_child(batch, BATCH_EMPTY_STACK, &some[0], 4), a);
    cr_assert_neq(batch_child(batch, BATCH_EMPTY_STACK, &some[1], 0), b);
    cr_assert_neq(batch_child(batch, a, &some[2], 0), b);
    cr_assert_neq(batch_child(batch, a, NULL, 0), BATCH_FULL);
    for (uint32_t i = 1; i < batch->node_count; i++) {
        cr_assert_lt(batch->nodes[i].parent, i);
    }
    batch_destroy(batch);
}

Test(batch, equal_samples_are_summed_where_merging_is_on) {
    struct batch *batch = make(true);
    uint32_t thread = batch_thread(batch, 1, 0, "main");
    uint32_t other = batch_thread(batch, 1, 0, "other");
    uint32_t node = batch_child(batch, BATCH_EMPTY_STACK, &some[0], 0);
    cr_assert(batch_sample(batch, thread, node, 1, 100));
    cr_assert(batch_sample(batch, other, node, 1, 7));
    cr_assert(batch_sample(batch, thread, node, 2, 50));
    cr_assert(batch_sample(batch, thread, BATCH_EMPTY_STACK, 1, 5));
    cr_assert_eq(batch->sample_count, 3);
    cr_assert_eq(batch->samples[0].count, 3);
    cr_assert_eq(batch->samples[0].metric, 150);
    cr_assert_eq(batch->samples[1].metric, 7);
    cr_assert_eq(batch->samples[2].node, BATCH_EMPTY_STACK);
    batch_destroy(batch);
}

Test(batch, equal_samples_are_kept_apart_where_merging_is_off) {
    struct batch *batch = make(false);
    uint32_t thread = batch_thread(batch, 1, 0, "main");
    uint32_t node = batch_child(batch, BATCH_EMPTY_STACK, &some[0], 0);
    cr_assert(batch_sample(batch, thread, node, 1, 100));
    cr_assert(batch_sample(batch, thread, node, 1, 101));
    cr_assert_eq(batch->sample_count, 2);
    cr_assert_eq(batch->samples[1].metric, 101);
    batch_destroy(batch);
}

/* Fills, clears and fills again, with few and with many entries: both ways of clearing. */
Test(batch, nothing_is_left_after_clearing) {
    struct batch *batch = make(true);
    for (uint32_t round = 0, many = 3; round < 6; round++, many *= 9) {
        uint32_t thread = batch_thread(batch, 1, 0, "main");
        for (uint32_t i = 0; i < many && i < batch->node_capacity - 1; i++) {
            uint32_t node = batch_child(batch, i / 2, &some[i % 3], i + round);
            cr_assert_eq(node, i + 1, "round %u: node %u for entry %u", round, node, i);
            cr_assert(batch_sample(batch, thread, node, 1, 1));
        }
        cr_assert_eq(batch->sample_count, batch->node_count - 1);
        batch_clear(batch);
        cr_assert_eq(batch->node_count, 1);
        cr_assert_eq(batch->sample_count + batch->thread_count + batch->label_size, 0);
        for (uint32_t i = 0; i <= batch->node_slot_mask; i++) {
            cr_assert_eq(batch->node_slots[i], 0);
        }
        for (uint32_t i = 0; i <= batch->sample_slot_mask; i++) {
            cr_assert_eq(batch->sample_slots[i], 0);
        }
    }
    batch_destroy(batch);
}

Test(batch, says_when_it_is_full_and_keeps_what_it_has) {
    struct batch *batch = make(true);
    uint32_t thread = batch_thread(batch, 1, 0, "main");
    uint32_t nodes = 0;
    while (batch_child(batch, BATCH_EMPTY_STACK, &some[0], nodes) != BATCH_FULL) {
        nodes++;
    }
    cr_assert_eq(nodes, batch->node_capacity - 1);
    cr_assert_eq(batch_child(batch, BATCH_EMPTY_STACK, &some[0], 17), 18, "what is known is found");

    uint32_t threads = 1;
    while (batch_thread(batch, 1, threads, "a name") != BATCH_FULL) {
        threads++;
    }
    cr_assert_eq(threads, batch->thread_capacity);
    uint32_t samples = 0;
    while (batch_sample(batch, samples / (nodes + 1), samples % (nodes + 1), 1, 1)) {
        samples++;
    }
    cr_assert_eq(samples, batch->sample_capacity);
    cr_assert(batch_sample(batch, 0, 5, 1, 1), "what is known is summed");
    cr_assert_eq(batch->samples[5].metric, 2);
    cr_assert_eq(thread, 0);
    batch_destroy(batch);
}

Test(batch, labels_fill_up_and_are_cut_between_characters) {
    struct batch *batch = make(true);
    char name[3000];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    memcpy(name + BATCH_LABEL_MAX - 2, "\xE2\x82\xAC", 3); /* a euro sign across the limit */
    uint32_t thread = batch_thread(batch, 7, 2, name);
    const char *label = batch->labels + batch->threads[thread].label_at;
    cr_assert_eq(strlen(label), BATCH_LABEL_MAX - 2);
    cr_assert_eq(batch->threads[thread].pid, 7);
    cr_assert_eq(batch->threads[thread].interpreter, 2);

    thread = batch_thread(batch, 7, 2, "");
    cr_assert_str_eq(batch->labels + batch->threads[thread].label_at, "");
    while (batch_thread(batch, 7, 2, name) != BATCH_FULL) {
        cr_assert_leq(batch->label_size, batch->label_capacity);
    }
    cr_assert_gt(batch->thread_count, 200);
    batch_destroy(batch);
}

/* Labels of exactly the largest length that is not cut, and one more. */
Test(batch, a_label_of_the_largest_length_is_whole) {
    struct batch *batch = make(true);
    char name[BATCH_LABEL_MAX + 1];
    memset(name, 'y', sizeof name);
    name[BATCH_LABEL_MAX - 1] = '\0';
    uint32_t whole = batch_thread(batch, 1, 0, name);
    name[BATCH_LABEL_MAX - 1] = 'y';
    name[BATCH_LABEL_MAX] = '\0';
    uint32_t cut = batch_thread(batch, 1, 0, name);
    cr_assert_eq(strlen(batch->labels + batch->threads[whole].label_at), BATCH_LABEL_MAX - 1);
    cr_assert_eq(strlen(batch->labels + batch->threads[cut].label_at), BATCH_LABEL_MAX - 1);
    batch_destroy(batch);
}

Test(batch, two_of_them_stay_within_eight_mebibytes) {
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    struct batch *one = make(true);
    struct batch *two = make(true);
    size_t taken = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    cr_assert_leq(taken, 8U << 20, "%zu bytes", taken);
    batch_destroy(one);
    batch_destroy(two);
}

Test(batch, filling_allocates_nothing) {
    struct batch *batch = make(true);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t thread = batch_thread(batch, 1, 0, "main");
        for (uint32_t i = 0; i < 10000; i++) {
            uint32_t node = batch_child(batch, i / 3, &some[i % 3], i);
            cr_assert(batch_sample(batch, thread, node, 1, 1));
        }
        cr_assert_eq(mallinfo2().uordblks + mallinfo2().hblkhd, before);
        batch_clear(batch);
    }
    batch_destroy(batch);
}

Test(batch, destroying_nothing_is_fine) {
    batch_destroy(NULL);
}

Test(batch, a_label_that_is_found_late_is_for_all_samples) {
    struct batch *batch = make(true);
    uint32_t thread = batch_thread(batch, 1, 0, "4711");
    uint32_t other = batch_thread(batch, 1, 0, "main");
    cr_assert(batch_sample(batch, thread, BATCH_EMPTY_STACK, 1, 1));
    cr_assert(batch_relabel(batch, thread, "worker"));
    cr_expect_str_eq(batch->labels + batch->threads[thread].label_at, "worker");
    cr_expect_str_eq(batch->labels + batch->threads[other].label_at, "main");
    cr_expect_eq(batch->samples[0].thread, thread);
    while (batch_relabel(batch, other, "a longer name")) {
    }
    cr_expect_str_eq(batch->labels + batch->threads[other].label_at, "a longer name");
    cr_expect_not(batch_relabel(batch, thread, "a longer name"));
    cr_expect_str_eq(batch->labels + batch->threads[thread].label_at, "worker", "no room");
    batch_destroy(batch);
}
