#include "cli/key_map.h"

#include <criterion/criterion.h>

Test(key_map, keys_hold_within_their_process) {
    struct key_map map = {.entries = NULL};
    uint32_t value = 9;
    cr_assert_not(key_map_get(&map, 1, 1, &value));
    cr_assert_eq(key_map_set(&map, 1, 1, 10), STATUS_OK);
    cr_assert_eq(key_map_set(&map, 2, 1, 20), STATUS_OK);
    cr_assert_not(key_map_get(&map, 1, 2, &value));
    cr_assert_eq(value, 9);
    cr_assert(key_map_get(&map, 1, 1, &value));
    cr_assert_eq(value, 10);
    cr_assert_eq(key_map_set(&map, 1, 1, 11), STATUS_OK);
    cr_assert(key_map_get(&map, 1, 1, &value));
    cr_assert_eq(value, 11);
    cr_assert(key_map_get(&map, 2, 1, &value));
    cr_assert_eq(value, 20);
    cr_assert_eq(map.count, 2);
    key_map_deinit(&map);
}

Test(key_map, many_keys_of_every_kind) {
    struct key_map map = {.entries = NULL};
    enum { KEYS = 50000 };
    for (uint32_t i = 0; i < KEYS; i++) {
        /* Numbers that count up, and addresses that differ in few bits. */
        cr_assert_eq(key_map_set(&map, 1, i, i), STATUS_OK);
        cr_assert_eq(key_map_set(&map, -1, (int64_t)(0x7F00000000000000U + i * 4096ULL), ~i),
                     STATUS_OK);
    }
    cr_assert_eq(map.count, 2 * KEYS);
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t value;
        cr_assert(key_map_get(&map, 1, i, &value));
        cr_assert_eq(value, i);
        cr_assert(key_map_get(&map, -1, (int64_t)(0x7F00000000000000U + i * 4096ULL), &value));
        cr_assert_eq(value, ~i);
        cr_assert_not(key_map_get(&map, 2, i, &value));
    }
    key_map_deinit(&map);
}
