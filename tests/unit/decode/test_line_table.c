#include <criterion/criterion.h>

#include "daemon/decode/line_table.h"

struct expectation {
    uint32_t offset;
    bool told;
    struct location place;
};

static void expect(enum line_format format, const uint8_t *table, size_t size, int32_t first_line,
                   const struct expectation *expectations, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct expectation *e = &expectations[i];
        struct location place = {-1, -1, -1, -1};
        bool told = line_table_locate(format, table, size, first_line, e->offset, &place);
        cr_expect_eq(told, e->told, "offset %u: told %d", e->offset, told);
        cr_expect_eq(place.line, e->place.line, "offset %u: line %d", e->offset, place.line);
        cr_expect_eq(place.line_end, e->place.line_end, "offset %u: end %d", e->offset,
                     place.line_end);
        cr_expect_eq(place.column, e->place.column, "offset %u: column %d", e->offset,
                     place.column);
        cr_expect_eq(place.column_end, e->place.column_end, "offset %u: column end %d", e->offset,
                     place.column_end);
    }
}

#define EXPECT(format, table, first_line, ...)                                                     \
    do {                                                                                           \
        const struct expectation expectations[] = {__VA_ARGS__};                                   \
        expect(format, table, sizeof(table), first_line, expectations,                             \
               sizeof expectations / sizeof *expectations);                                        \
    } while (0)

Test(line_table, lnotab_sums_signed_deltas) {
    static const uint8_t table[] = {0, 1, 8, 3, 4, 0xFE, 0, 100, 6, 1};
    EXPECT(LINE_FORMAT_LNOTAB, table, 10, {0, true, {11, 0, 0, 0}}, {7, true, {11, 0, 0, 0}},
           {8, true, {14, 0, 0, 0}}, {12, true, {112, 0, 0, 0}}, {17, true, {112, 0, 0, 0}},
           {18, true, {113, 0, 0, 0}}, {4000000000U, true, {113, 0, 0, 0}});
}

Test(line_table, lnotab_of_nothing_is_the_first_line) {
    static const uint8_t odd[] = {3};
    EXPECT(LINE_FORMAT_LNOTAB, odd, 7, {0, true, {7, 0, 0, 0}}, {3, true, {7, 0, 0, 0}});
    struct location place;
    cr_expect(line_table_locate(LINE_FORMAT_LNOTAB, NULL, 0, 7, 2, &place));
    cr_expect_eq(place.line, 7);
}

Test(line_table, pep626_has_code_without_a_line) {
    /* [0, 4) at 5; [4, 6) none; [6, 6) moves on; [6, 10) at 8; [10, 12) none */
    static const uint8_t table[] = {4, 0, 2, 0x80, 0, 1, 4, 2, 2, 0x80};
    EXPECT(LINE_FORMAT_PEP626, table, 5, {0, true, {5, 0, 0, 0}}, {3, true, {5, 0, 0, 0}},
           {4, false, {5, 0, 0, 0}}, {6, true, {8, 0, 0, 0}}, {9, true, {8, 0, 0, 0}},
           {10, false, {8, 0, 0, 0}}, {12, false, {8, 0, 0, 0}});
}

Test(line_table, pep657_has_columns) {
    static const uint8_t table[] = {
        0x80 | 2 << 3 | 1,  0x35,                    /* short: 2 units, columns 19 to 24 */
        0x80 | 11 << 3 | 0, 4,    90,                /* the next line, columns 4 to 90 */
        0x80 | 13 << 3 | 0, 0x05,                    /* no columns, two lines back */
        0x80 | 14 << 3 | 2, 0x50, 2,  3, 9, 0x41, 1, /* long: on by 72, 3 more lines */
        0x80 | 15 << 3 | 7,                          /* nothing known, 8 units */
    };
    EXPECT(LINE_FORMAT_PEP657, table, 100, {0, true, {100, 100, 20, 25}},
           {3, true, {100, 100, 20, 25}}, {4, true, {101, 101, 5, 91}}, {6, true, {99, 99, 0, 0}},
           {8, true, {171, 174, 9, 65}}, {13, true, {171, 174, 9, 65}}, {14, false, {171, 0, 0, 0}},
           {29, false, {171, 0, 0, 0}}, {30, false, {171, 0, 0, 0}});
}

Test(line_table, pep657_code_before_the_first_line_is_on_the_first) {
    static const uint8_t table[] = {0x80 | 15 << 3, 0x80 | 13 << 3, 3};
    EXPECT(LINE_FORMAT_PEP657, table, 1, {0, false, {1, 0, 0, 0}}, {2, true, {0, 0, 0, 0}});
}

Test(line_table, pep657_ends_an_entry_where_the_next_begins) {
    /* A long entry cut short, and one with more bytes than it needs. */
    static const uint8_t table[] = {0x80 | 14 << 3, 0x7F, 0x80 | 0 << 3, 0x11, 5, 6, 7,
                                    0x80 | 10 << 3};
    EXPECT(LINE_FORMAT_PEP657, table, 50, {0, true, {19, 19, 0, 0}}, {2, true, {19, 19, 2, 3}},
           {4, true, {19, 19, 1, 1}}, {6, false, {19, 0, 0, 0}});
}

Test(line_table, hostile_numbers_are_clamped) {
    static const uint8_t huge[] = {0x80 | 14 << 3, 0x7E, 0x7F, 0x7F, 0x7F, 0x7F, 0x03, 0x7F,
                                   0x7F,           0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 0x7F};
    struct location place;
    cr_expect(line_table_locate(LINE_FORMAT_PEP657, huge, sizeof huge, INT32_MAX, 0, &place));
    cr_expect_eq(place.line, INT32_MAX);
    cr_expect_eq(place.line_end, INT32_MAX);
    cr_expect_geq(place.column, 0);
    static const uint8_t down[] = {0, 0x81};
    cr_expect(line_table_locate(LINE_FORMAT_LNOTAB, down, sizeof down, INT32_MIN, 0, &place));
    cr_expect_eq(place.line, 0);
}
