#include "daemon/where/frame_values.h"

#include <criterion/criterion.h>

/* Entries of start, length, target and depth * 2 + lasti, as assemble_exception_table_entry
 * (Python/assemble.c) writes them: six bits a byte, the highest first; 64 says that more follow,
 * and 128 that an entry begins. */
Test(frame_values, handler_depth) {
    static const uint8_t table[] = {
        128 | 5,      3,      20, 2 << 1 | 1,         /* 5 to 7 */
        128 | 10,     64 | 1, 2,  30,         4 << 1, /* 10 to 75: 66 units */
        128 | 64 | 2, 0,      1,  9,          1 << 1, /* 128 */
    };
    static const struct {
        uint32_t unit, depth;
    } expected[] = {{0, 0},  {4, 0},  {5, 2},  {7, 2},   {8, 0},   {9, 0},
                    {10, 4}, {75, 4}, {76, 0}, {127, 0}, {128, 1}, {129, 0}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        cr_expect_eq(frame_values_handler_depth(table, sizeof table, expected[i].unit),
                     expected[i].depth, "unit %u", expected[i].unit);
    }
}

Test(frame_values, a_table_that_is_cut) {
    static const uint8_t table[] = {128 | 5, 3, 20, 2 << 1};
    for (uint32_t size = 0; size < sizeof table; size++) {
        cr_expect_eq(frame_values_handler_depth(table, size, 5), 0);
    }
    cr_expect_eq(frame_values_handler_depth(table, sizeof table, 5), 2);
}

Test(frame_values, a_number_without_end) {
    static const uint8_t table[] = {0xff, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 1, 1, 1, 1};
    cr_expect_eq(frame_values_handler_depth(table, sizeof table, 5), 0);
}
