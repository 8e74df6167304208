#include "daemon/output/place_memo.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/unit/output/made.h"

Test(place_memo, answers_as_the_line_table_does) {
    struct place_memo *memo = NULL;
    cr_assert_eq(place_memo_create(&memo), STATUS_OK);
    for (int round = 0; round < 2; round++) {
        place_memo_begin(memo);
        for (int i = 0; i < 100; i++) {
            static const struct code *codes[100];
            if (round == 0) {
                codes[i] = made_code("a.py", "f", i, 200);
            }
            for (uint32_t unit = 0; unit < 200; unit++) {
                struct location location;
                code_locate(codes[i], unit, &location);
                const struct location *place = place_memo_find(memo, codes[i], unit);
                cr_assert_eq(place->line, location.line);
                cr_assert_eq(place->line, i + (int32_t)unit / 2);
                cr_assert_eq(place->column, location.column);
                cr_assert_eq(place->column_end, location.column_end);
            }
        }
    }
    place_memo_destroy(memo);
}

/* A table of the largest size, in which every unit is asked for: the answer is coarse then, but
 * comes. */
Test(place_memo, a_target_that_lies_cannot_make_it_slow, .timeout = 30) {
    struct place_memo *memo = NULL;
    cr_assert_eq(place_memo_create(&memo), STATUS_OK);
    place_memo_begin(memo);
    struct code code = *made_code("a.py", "f", 5, 1);
    code.line_table_size = CODE_BYTES_MAX;
    uint8_t *table = malloc(CODE_BYTES_MAX);
    for (size_t i = 0; i < CODE_BYTES_MAX; i += 2) {
        table[i] = 0x80 | 13 << 3; /* one unit, a line difference and no columns */
        table[i + 1] = 1 << 1;
    }
    code.line_table = table;
    for (uint32_t unit = 0; unit < 32768; unit++) {
        int32_t line = place_memo_find(memo, &code, unit)->line;
        cr_assert(line == 6 + (int32_t)unit || (unit >= 8 && line == 5), "unit %u: %d", unit, line);
    }
    place_memo_begin(memo);
    cr_assert_eq(place_memo_find(memo, &code, 20000)->line, 20006,
                 "the next batch has a new budget");
    place_memo_destroy(memo);
    free(table);
}
