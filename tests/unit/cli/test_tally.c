#include "cli/tally.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct tally tally_of(const char *text) {
    struct tally tally;
    struct profile_input input;
    struct profile_facts facts;
    struct error error;
    cr_assert_eq(tally_init(&tally), STATUS_OK);
    profile_input_over(&input, text, strlen(text));
    struct profile_taker taker = tally_taker(&tally);
    cr_assert_eq(profile_read(&input, tally.names, &taker, &facts, &error), STATUS_OK);
    return tally;
}

static const struct tally_function *find(const struct tally *tally, const char *name) {
    uint32_t number;
    cr_assert_eq(names_intern(tally->names, name, strlen(name), &number), STATUS_OK);
    cr_assert_lt(number, tally->capacity, "%s", name);
    return &tally->functions[number];
}

static void expect(const struct tally *tally, const char *name, int64_t self, int64_t total) {
    const struct tally_function *function = find(tally, name);
    cr_assert_eq(function->self, self, "%s", name);
    cr_assert_eq(function->total, total, "%s", name);
}

Test(tally, self_is_the_innermost_and_recursion_counts_once) {
    struct tally tally = tally_of("P1;T0:t;a:main:1;a:f:2;a:f:3;a:f:2 10\n"
                                  "P1;T0:t;a:main:1;a:f:2;a:g:9;a:f:2 100\n"
                                  "P1;T0:t;a:main:1 1000\n"
                                  "P1;T0:u 10000\n");
    expect(&tally, "a:main", 1000, 1110);
    expect(&tally, "a:f", 110, 110);
    expect(&tally, "a:g", 0, 100);
    expect(&tally, "(no frame)", 10000, 10000);
    cr_assert_eq(tally.total, 11110);
    cr_assert_eq(tally.samples, 4);
    tally_deinit(&tally);
}

Test(tally, threads_differ_by_process_and_interpreter) {
    struct tally tally =
        tally_of("P1;T0:t 1\nP1;T0:t 1\nP2;T0:t 1\nP1;T1:t 1\nP1;T0:u 1\nP2;T0:t 1\n");
    cr_assert_eq(names_count(tally.threads), 4);
    cr_assert_eq(names_count(tally.processes), 2);
    tally_deinit(&tally);
}

Test(tally, the_last_word_of_metadata_counts) {
    struct tally tally =
        tally_of("# mode: wall\n# samples: 1\nP1;T0:t 1\n# samples: 2\n# other: x\n");
    cr_assert_str_eq(tally.mode, "wall");
    cr_assert_str_eq(tally.sample_count, "2");
    cr_assert_null(tally.duration);
    tally_deinit(&tally);
}

Test(tally, sums_stay_at_their_limit) {
    struct tally tally = tally_of("P1;T0:t;a:f:1 9223372036854775807\nP1;T0:t;a:f:1 5\n");
    cr_assert_eq(tally.total, INT64_MAX);
    expect(&tally, "a:f", INT64_MAX, INT64_MAX);
    tally_deinit(&tally);
}

Test(tally, ranking_is_by_self_then_total_then_name) {
    struct tally tally = tally_of("P1;T0:t;a:z:1;a:y:1;a:b:1 5\nP1;T0:t;a:y:1;a:c:1 5\n"
                                  "P1;T0:t;a:big:1 50\n");
    static const char *const expected[] = {"a:big", "a:b", "a:c", "a:y", "a:z"};
    uint32_t count;
    uint32_t *ranking = tally_ranking(&tally, &count);
    cr_assert_eq(count, 5, "functions without a sample are not in it");
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_str_eq(names_text(tally.names, ranking[i], NULL), expected[i]);
    }
    free(ranking);
    tally_deinit(&tally);
}
