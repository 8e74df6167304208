#include <criterion/criterion.h>

#include "daemon/service/label_schedule.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

static const uint64_t start = UINT64_C(1000000000000);

/* How many looks there are in `ns`, each of which takes `cost_ns` and finds a thread nameless, when
 * one comes every `each_ns` (0: only at first). */
static unsigned looks(uint64_t ns, uint64_t cost_ns, uint64_t each_ns) {
    struct label_schedule schedule = {0};
    unsigned count = 0;
    label_schedule_changed(&schedule, start);
    for (uint64_t now = start; now < start + ns; now += 10 * US) {
        if (each_ns > 0 && (now - start) % each_ns == 0) {
            label_schedule_changed(&schedule, now);
        }
        if (label_schedule_is_due(&schedule, now)) {
            count++;
            now += cost_ns / US / 10 * US * 10;
            label_schedule_looked(&schedule, now, now >= schedule.all_due_ns, cost_ns, 1);
        }
    }
    return count;
}

Test(label_schedule, a_look_is_due_at_once_when_a_thread_comes) {
    struct label_schedule schedule = {0};
    cr_expect(label_schedule_is_due(&schedule, start), "and at the very first");
    label_schedule_looked(&schedule, start, true, 10 * US, 0);
    cr_expect_not(schedule.waiting);
    cr_expect_not(label_schedule_is_due(&schedule, start + 499 * MS));
    cr_expect(label_schedule_is_due(&schedule, start + 500 * MS), "threads are renamed");
    label_schedule_changed(&schedule, start + 40 * US);
    cr_expect(label_schedule_is_due(&schedule, start + 40 * US));
}

Test(label_schedule, the_next_looks_for_a_name_come_soon_and_then_less_often) {
    struct label_schedule schedule = {0};
    label_schedule_changed(&schedule, start);
    label_schedule_looked(&schedule, start, true, 10 * US, 1);
    cr_expect(schedule.waiting);
    cr_expect_eq(schedule.due_ns, start + 100 * US);
    label_schedule_looked(&schedule, start + 4 * MS, false, 10 * US, 1);
    cr_expect_eq(schedule.due_ns, start + 5 * MS);
    label_schedule_looked(&schedule, start + 400 * MS, false, 10 * US, 1);
    cr_expect_eq(schedule.due_ns, start + 420 * MS);
    label_schedule_looked(&schedule, start + 500 * MS, true, 10 * US, 1);
    cr_expect_not(schedule.waiting, "it has none");
    cr_expect_eq(schedule.due_ns, start + 1000 * MS);
    label_schedule_looked(&schedule, start + 1000 * MS, true, 10 * US, 0);
    cr_expect_not(schedule.waiting);
    cr_expect_lt(looks(1000 * MS, 10 * US, 0), 60);
}

Test(label_schedule, a_look_through_all_is_not_put_off_by_threads_that_come) {
    struct label_schedule schedule = {0};
    label_schedule_looked(&schedule, start, true, 10 * US, 0);
    for (uint64_t now = start + MS; now < start + 500 * MS; now += MS) {
        label_schedule_changed(&schedule, now);
        label_schedule_looked(&schedule, now, false, 10 * US, 0);
    }
    cr_expect_eq(schedule.all_due_ns, start + 500 * MS);
    cr_expect_eq(schedule.due_ns, start + 500 * MS);
}

Test(label_schedule, looks_take_a_fifth_of_the_time_at_most) {
    cr_expect_leq(looks(1000 * MS, 200 * US, 100 * US), 1001);
    cr_expect_geq(looks(1000 * MS, 200 * US, 100 * US), 900, "nor much less");
    cr_expect_leq(looks(10000 * MS, 20 * MS, 100 * US), 105);
    cr_expect_leq(looks(20000 * MS, 400 * MS, 100 * US), 30, "but never is there none for long");
    cr_expect_geq(looks(20000 * MS, 400 * MS, 100 * US), 22);
}

Test(label_schedule, one_look_that_was_held_up_is_not_taken_for_what_looks_cost) {
    struct label_schedule schedule = {0};
    label_schedule_looked(&schedule, start, true, 60 * US, 1);
    label_schedule_looked(&schedule, start + 10 * MS, false, 20 * MS, 1);
    cr_expect_leq(schedule.rested_ns, start + 11 * MS);
    label_schedule_looked(&schedule, start + 40 * MS, false, 60 * US, 1);
    cr_expect_leq(schedule.rested_ns, start + 41 * MS);
}
