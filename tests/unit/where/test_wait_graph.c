#include "daemon/where/wait_graph.h"

#include <criterion/criterion.h>

#define NOBODY WAIT_GRAPH_NOBODY

enum { MOST = 8 };

/* Checks which circle each thread is part of. */
static void expect(const uint32_t *waits_for, uint32_t count, const uint32_t *expected,
                   uint32_t circles) {
    uint32_t circle[MOST];
    uint32_t found = 99;
    cr_assert_eq(wait_graph_circles(waits_for, count, circle, &found), STATUS_OK);
    cr_expect_eq(found, circles);
    for (uint32_t i = 0; i < count; i++) {
        cr_expect_eq(circle[i], expected[i], "thread %u is in circle %u", i, circle[i]);
    }
}

Test(wait_graph, nobody_waits) {
    expect((uint32_t[]){NOBODY, NOBODY}, 2, (uint32_t[]){0, 0}, 0);
    expect((uint32_t[]){NOBODY}, 0, (uint32_t[]){0}, 0);
}

Test(wait_graph, a_line_is_no_circle) {
    expect((uint32_t[]){1, 2, 3, NOBODY}, 4, (uint32_t[]){0, 0, 0, 0}, 0);
    expect((uint32_t[]){NOBODY, 0, 1, 2}, 4, (uint32_t[]){0, 0, 0, 0}, 0);
}

Test(wait_graph, one_waits_for_itself) {
    expect((uint32_t[]){NOBODY, 1, 1}, 3, (uint32_t[]){0, 1, 0}, 1);
}

Test(wait_graph, who_waits_for_a_circle_is_no_part_of_it) {
    expect((uint32_t[]){1, 2, 3, 1}, 4, (uint32_t[]){0, 1, 1, 1}, 1);
    expect((uint32_t[]){3, 0, 1, 0}, 4, (uint32_t[]){1, 0, 0, 1}, 1);
}

Test(wait_graph, several_circles_are_numbered) {
    expect((uint32_t[]){2, 4, 0, 3, 1, 0}, 6, (uint32_t[]){1, 2, 1, 3, 2, 0}, 3);
}

Test(wait_graph, one_that_is_not_there_is_nobody) {
    expect((uint32_t[]){5, 0}, 2, (uint32_t[]){0, 0}, 0);
}
