#include <criterion/criterion.h>
#include <stdlib.h>

#include "daemon/decode/code_cache.h"

#define MS UINT64_C(1000000)

static struct code_cache *begin(void) {
    struct code_cache *cache = NULL;
    cr_assert_eq(code_cache_create(&cache), STATUS_OK);
    return cache;
}

static struct code *code_of(size_t bytes) {
    struct code *code = calloc(1, bytes < sizeof *code ? sizeof *code : bytes);
    cr_assert_not_null(code);
    code->bytes = bytes;
    return code;
}

static void put(struct code_cache *cache, uint64_t address, size_t bytes, uint64_t now_ns) {
    cr_assert_eq(code_cache_put(cache, address, code_of(bytes), now_ns), STATUS_OK);
}

Test(code_cache, finds_what_was_put) {
    struct code_cache *cache = begin();
    for (uint64_t i = 1; i <= 5000; i++) {
        put(cache, i * 0x40, 1000, i);
    }
    uint64_t last_serial = 0;
    for (uint64_t i = 1; i <= 5000; i++) {
        const struct code_entry *entry = code_cache_find(cache, i * 0x40);
        cr_assert_not_null(entry);
        cr_assert_eq(entry->known_since_ns, i);
        cr_assert_gt(entry->code->serial, last_serial);
        last_serial = entry->code->serial;
    }
    cr_expect_null(code_cache_find(cache, 0x41));
    code_cache_destroy(cache);
}

Test(code_cache, two_never_give_the_same_serial) {
    struct code_cache *caches[] = {begin(), begin()};
    uint64_t serials[4];
    for (unsigned i = 0; i < 4; i++) {
        put(caches[i % 2], 0x1000 + i, 1000, 1);
        serials[i] = code_cache_find(caches[i % 2], 0x1000 + i)->code->serial;
        for (unsigned j = 0; j < i; j++) {
            cr_expect_neq(serials[i], serials[j]);
        }
    }
    code_cache_destroy(caches[0]);
    code_cache_destroy(caches[1]);
}

Test(code_cache, remembers_that_there_is_no_code) {
    struct code_cache *cache = begin();
    cr_assert_eq(code_cache_put(cache, 0x1000, NULL, 5), STATUS_OK);
    const struct code_entry *entry = code_cache_find(cache, 0x1000);
    cr_assert_not_null(entry);
    cr_expect_null(entry->code);
    code_cache_destroy(cache);
}

Test(code_cache, belief_is_an_eighth_of_the_age_and_bounded) {
    struct code_cache *cache = begin();
    put(cache, 0x1000, 1000, 1000 * MS);
    struct code_entry *entry = code_cache_find(cache, 0x1000);
    cr_expect_eq(entry->believed_until_ns, 1000 * MS, "new: not beyond the moment");
    code_entry_confirm(entry, 1008 * MS);
    cr_expect_eq(entry->believed_until_ns, 1009 * MS);
    code_entry_confirm(entry, 1400 * MS);
    cr_expect_eq(entry->believed_until_ns, 1450 * MS);
    code_entry_confirm(entry, 100000 * MS);
    cr_expect_eq(entry->believed_until_ns, 100100 * MS);
    put(cache, 0x1000, 1000, 200000 * MS);
    entry = code_cache_find(cache, 0x1000);
    cr_expect_eq(entry->known_since_ns, 200000 * MS, "another code at the address is young");
    code_cache_destroy(cache);
}

Test(code_cache, replaced_code_lives_until_its_batch_is_written) {
    struct code_cache *cache = begin();
    code_cache_epoch(cache, 4, 3);
    put(cache, 0x1000, 10000, 1);
    uint64_t one = code_cache_bytes(cache);
    const struct code *old = code_cache_find(cache, 0x1000)->code;
    uint64_t serial = old->serial;
    put(cache, 0x1000, 10000, 2);
    cr_expect_eq(code_cache_bytes(cache), one + 10000);
    code_cache_epoch(cache, 5, 4);
    cr_expect_eq(code_cache_bytes(cache), one + 10000, "the batch of epoch 4 is not written yet");
    cr_expect_eq(old->serial, serial);
    code_cache_epoch(cache, 6, 5);
    cr_expect_eq(code_cache_bytes(cache), one);
    cr_expect_neq(code_cache_find(cache, 0x1000)->code->serial, serial, "never used again");
    code_cache_destroy(cache);
}

Test(code_cache, over_its_budget_unused_entries_leave) {
    struct code_cache *cache = begin();
    for (uint64_t i = 1; i <= 70; i++) {
        put(cache, i * 0x1000, 100000, 1);
    }
    for (uint64_t epoch = 1; epoch <= 20; epoch++) {
        cr_assert_not_null(code_cache_find(cache, 0x1000), "in use in every epoch");
        code_cache_epoch(cache, epoch, epoch);
    }
    cr_expect_null(code_cache_find(cache, 0x2000));
    cr_expect_not_null(code_cache_find(cache, 0x1000));
    cr_expect_lt(code_cache_bytes(cache), 1 << 20);
    code_cache_destroy(cache);
}

Test(code_cache, within_its_budget_nothing_leaves) {
    struct code_cache *cache = begin();
    put(cache, 0x1000, 1000, 1);
    for (uint64_t epoch = 1; epoch <= 100; epoch++) {
        code_cache_epoch(cache, epoch, epoch);
    }
    cr_expect_not_null(code_cache_find(cache, 0x1000));
    code_cache_destroy(cache);
}

static void view(struct code_cache *cache, uint64_t moment) {
    code_cache_view(cache, (struct code_moments){.begun = moment, .taken = moment});
}

/* What holds of 0x1000 in a picture of that moment. */
static bool holds(struct code_cache *cache, uint64_t moment) {
    view(cache, moment);
    return code_entry_holds(cache, code_cache_find(cache, 0x1000), 5);
}

Test(code_cache, what_is_destroyed_holds_in_earlier_pictures) {
    struct code_cache *cache = begin();
    put(cache, 0x1000, 1000, 5);
    uint64_t before = code_cache_moment(cache);
    cr_expect(holds(cache, before));
    code_cache_note_gone(cache, 0x2000);
    code_cache_pass(cache);
    cr_expect(holds(cache, code_cache_moment(cache)), "it was another");
    code_cache_note_gone(cache, 0x1000);
    uint64_t earlier = code_cache_moment(cache);
    code_cache_pass(cache);
    cr_expect(holds(cache, before));
    cr_expect(holds(cache, earlier));
    cr_expect_not(holds(cache, code_cache_moment(cache)));
    code_cache_note_gone(cache, 0x1000);
    code_cache_pass(cache);
    cr_expect(holds(cache, earlier), "the next one at the same address was not the one we knew");
    cr_expect_not(holds(cache, earlier + 1));
    code_cache_destroy(cache);
}

Test(code_cache, what_is_learned_holds_in_earlier_pictures_if_none_went_there) {
    struct code_cache *cache = begin();
    uint64_t before = code_cache_moment(cache);
    code_cache_note_gone(cache, 0x2000);
    code_cache_pass(cache);
    put(cache, 0x1000, 1000, 5);
    cr_expect(holds(cache, before));
    cr_expect_not(code_cache_gone_since(cache, 0x1000));
    cr_expect(code_cache_gone_since(cache, 0x2000));
    code_cache_note_gone(cache, 0x1000);
    code_cache_pass(cache);
    put(cache, 0x1000, 1000, 5);
    cr_expect_not(holds(cache, before), "there was another");
    cr_expect(holds(cache, code_cache_moment(cache)));
    cr_expect_not(code_cache_gone_since(cache, 0x1000));
    code_cache_doubt(cache, 0x1000);
    cr_expect_not(holds(cache, code_cache_moment(cache)));
    code_cache_destroy(cache);
}

Test(code_cache, as_many_as_can_be_remembered_are_told_from_others) {
    for (uint64_t count = 254; count <= 258; count++) {
        struct code_cache *cache = begin();
        uint64_t before = code_cache_moment(cache);
        for (uint64_t i = 0; i < count; i++) {
            code_cache_note_gone(cache, 0x2000 + i);
        }
        code_cache_pass(cache);
        view(cache, before);
        cr_expect(code_cache_gone_since(cache, 0x2000 + count - 1));
        cr_expect_eq(code_cache_gone_since(cache, 0x1000), count > 256, "after %d", (int)count);
        code_cache_destroy(cache);
    }
}

Test(code_cache, more_than_can_be_remembered_may_be_any) {
    struct code_cache *cache = begin();
    uint64_t before = code_cache_moment(cache);
    for (uint64_t i = 0; i < 1000; i++) {
        code_cache_note_gone(cache, 0x2000 + i);
    }
    code_cache_pass(cache);
    view(cache, before);
    cr_expect(code_cache_gone_since(cache, 0x1000));
    view(cache, code_cache_moment(cache));
    cr_expect_not(code_cache_gone_since(cache, 0x1000));
    put(cache, 0x1000, 1000, 5);
    uint64_t known = code_cache_moment(cache);
    code_cache_note_all_gone(cache);
    code_cache_pass(cache);
    cr_expect(holds(cache, known));
    cr_expect(code_cache_gone_since(cache, 0x3000));
    cr_expect_not(holds(cache, code_cache_moment(cache)));
    cr_expect_not(code_cache_gone_since(cache, 0x3000));
    code_cache_destroy(cache);
}

Test(code_cache, what_is_destroyed_while_a_picture_is_taken_does_not_hold) {
    struct code_cache *cache = begin();
    put(cache, 0x1000, 1000, 5);
    struct code_moments moments = {.begun = code_cache_moment(cache)};
    code_cache_note_gone(cache, 0x1000);
    code_cache_pass(cache);
    moments.taken = code_cache_moment(cache);
    code_cache_view(cache, moments);
    cr_expect_not(code_entry_holds(cache, code_cache_find(cache, 0x1000), 5));
    cr_expect(code_cache_gone_since(cache, 0x1000), "nor is it worth learning");
    cr_expect_eq(code_cache_viewed(cache).taken, moments.taken);
    code_cache_destroy(cache);
}
