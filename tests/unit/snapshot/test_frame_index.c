#include <criterion/criterion.h>
#include <stdlib.h>

#include "daemon/snapshot/frame_index.h"

Test(frame_index, an_empty_one_knows_nothing) {
    struct frame_index index = {.frames = NULL};
    cr_expect_eq(frame_index_find(&index, 0x1000), FRAME_UNKNOWN);
    frame_index_deinit(&index);
    cr_expect_eq(index.count, 0);
    cr_expect_eq(frame_index_find(&index, 0x1000), FRAME_UNKNOWN);
}

Test(frame_index, a_frame_keeps_its_slot_while_others_come_and_go) {
    enum { FRAMES = 1000 };
    struct frame_index index = {.frames = NULL};
    uint32_t slots[FRAMES];
    for (uint32_t i = 0; i < FRAMES; i++) {
        slots[i] = frame_index_add(&index, 0x7f0000000000 + i * UINT64_C(448));
        cr_assert_lt(slots[i], index.capacity);
        cr_assert_eq(index.frames[slots[i]].address, 0x7f0000000000 + i * UINT64_C(448));
        cr_assert_null(index.frames[slots[i]].bytes);
    }
    cr_expect_eq(index.count, FRAMES);
    for (uint32_t i = 0; i < FRAMES; i += 3) {
        frame_index_remove(&index, slots[i]);
        cr_assert_eq(index.frames[slots[i]].address, 0);
    }
    for (uint32_t i = 0; i < FRAMES; i++) {
        uint32_t slot = frame_index_find(&index, 0x7f0000000000 + i * UINT64_C(448));
        cr_assert_eq(slot, i % 3 == 0 ? FRAME_UNKNOWN : slots[i]);
    }
    frame_index_deinit(&index);
}

Test(frame_index, has_an_end) {
    struct frame_index index = {.frames = NULL};
    uint64_t address = 0x10000;
    while (index.count < FRAME_INDEX_MAX) {
        cr_assert_neq(frame_index_add(&index, address), FRAME_UNKNOWN);
        address += 512;
    }
    cr_expect_eq(frame_index_add(&index, address), FRAME_UNKNOWN);
    cr_expect_eq(frame_index_find(&index, address), FRAME_UNKNOWN);
    cr_expect_eq(index.count, FRAME_INDEX_MAX);
    frame_index_remove(&index, frame_index_find(&index, 0x10000));
    cr_expect_neq(frame_index_add(&index, address), FRAME_UNKNOWN, "there is room again");
    cr_expect_neq(frame_index_find(&index, address), FRAME_UNKNOWN);
    cr_expect_eq(frame_index_find(&index, 0x10000), FRAME_UNKNOWN);
    frame_index_deinit(&index);
}

/* Compares with a list through many steps, with addresses that crowd and collide. */
Test(frame_index, finds_what_was_added_and_not_removed) {
    enum { ADDRESSES = 300, STEPS = 200000 };
    struct frame_index index = {.frames = NULL};
    uint64_t addresses[ADDRESSES];
    uint32_t slots[ADDRESSES];
    uint32_t count = 0;
    unsigned random = 1;
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        addresses[i] = 0x10000 + (uint64_t)i * (i % 2 == 0 ? 8 : UINT64_C(1) << 24);
        slots[i] = FRAME_UNKNOWN;
    }
    for (unsigned step = 0; step < STEPS; step++) {
        random = random * 1103515245U + 12345U;
        uint32_t i = (random >> 8) % ADDRESSES;
        cr_assert_eq(frame_index_find(&index, addresses[i]), slots[i], "step %u", step);
        if (slots[i] == FRAME_UNKNOWN) {
            slots[i] = frame_index_add(&index, addresses[i]);
            cr_assert_neq(slots[i], FRAME_UNKNOWN);
            count++;
        } else {
            frame_index_remove(&index, slots[i]);
            slots[i] = FRAME_UNKNOWN;
            count--;
        }
        cr_assert_eq(index.count, count);
    }
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        cr_expect_eq(frame_index_find(&index, addresses[i]), slots[i]);
    }
    frame_index_deinit(&index);
}
