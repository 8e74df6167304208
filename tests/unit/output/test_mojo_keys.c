#include "daemon/output/mojo_keys.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mojo_keys *make(void) {
    struct mojo_keys *keys = NULL;
    cr_assert_eq(mojo_keys_create(&keys), STATUS_OK);
    return keys;
}

Test(mojo_keys, a_string_is_defined_once_for_each_process) {
    struct mojo_keys *keys = make();
    uint64_t first, again, other;
    cr_assert_not(mojo_keys_string(keys, 1, "name", &first));
    cr_assert(mojo_keys_string(keys, 1, "name", &again));
    cr_assert_eq(again, first);
    cr_assert_gt(first, 1, "0 and 1 have a meaning of their own");
    cr_assert_not(mojo_keys_string(keys, 2, "name", &other));
    cr_assert_neq(other, first);
    cr_assert_not(mojo_keys_string(keys, 1, "", &other));
    cr_assert(mojo_keys_string(keys, 1, "", &again));
    cr_assert_eq(other, again);
    mojo_keys_destroy(keys);
}

Test(mojo_keys, frames_differ_by_everything_that_is_written_of_them) {
    struct mojo_keys *keys = make();
    struct location place = {.line = 1, .line_end = 2, .column = 3, .column_end = 4};
    uint64_t key, again;
    cr_assert_not(mojo_keys_frame(keys, 1, 9, &place, &key));
    cr_assert(mojo_keys_frame(keys, 1, 9, &place, &again));
    cr_assert_eq(key, again);
    cr_assert_neq(key, 0);
    cr_assert_not(mojo_keys_frame(keys, 2, 9, &place, &again));
    cr_assert_not(mojo_keys_frame(keys, 1, 8, &place, &again));
    for (int field = 0; field < 4; field++) {
        struct location other = place;
        ((int32_t *)&other)[field] += 1000;
        cr_assert_not(mojo_keys_frame(keys, 1, 9, &other, &again));
        cr_assert(mojo_keys_frame(keys, 1, 9, &other, &again));
        cr_assert_neq(key, again);
    }
    mojo_keys_destroy(keys);
}

/* Keys must never be given twice, whatever has been forgotten in between. */
Test(mojo_keys, forgetting_gives_new_keys) {
    struct mojo_keys *keys = make();
    uint64_t last = 0, key;
    char name[64];
    for (int i = 0; i < 200000; i++) {
        (void)snprintf(name, sizeof name, "%d and something to take up room", i);
        cr_assert_not(mojo_keys_string(keys, 1, name, &key));
        cr_assert_gt(key, last);
        last = key;
        cr_assert(mojo_keys_string(keys, 1, name, &key), "the latest is known");
        cr_assert_eq(key, last);
    }
    last = 0;
    for (int i = 0; i < 200000; i++) {
        struct location place = {.line = i};
        cr_assert_not(mojo_keys_frame(keys, 1, 1, &place, &key));
        cr_assert_gt(key, last);
        last = key;
        cr_assert(mojo_keys_frame(keys, 1, 1, &place, &key));
        cr_assert_eq(key, last);
    }
    mojo_keys_destroy(keys);
}

Test(mojo_keys, most_of_a_large_program_is_remembered) {
    struct mojo_keys *keys = make();
    uint64_t key;
    int forgotten = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 15000; i++) {
            struct location place = {.line = i, .column = i % 7};
            forgotten += !mojo_keys_frame(keys, 1, (uint64_t)i / 10, &place, &key) && round > 0;
        }
    }
    cr_assert_leq(forgotten, 300, "%d", forgotten);
    mojo_keys_destroy(keys);
}

Test(mojo_keys, a_very_long_string_is_defined_each_time) {
    struct mojo_keys *keys = make();
    char *name = malloc(1 << 21);
    memset(name, 'x', 1 << 21);
    name[(1 << 21) - 1] = '\0';
    uint64_t first, second;
    cr_assert_not(mojo_keys_string(keys, 1, name, &first));
    cr_assert_not(mojo_keys_string(keys, 1, name, &second));
    cr_assert_neq(first, second);
    free(name);
    mojo_keys_destroy(keys);
}
