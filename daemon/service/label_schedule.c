#include "daemon/service/label_schedule.h"

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most) {
    return value < least ? least : value > most ? most : value;
}

void label_schedule_changed(struct label_schedule *schedule, uint64_t now_ns) {
    schedule->changed_ns = now_ns;
    schedule->due_ns = schedule->rested_ns;
}

void label_schedule_looked(struct label_schedule *schedule, uint64_t now_ns, bool all,
                           uint64_t cost_ns, uint32_t nameless) {
    schedule->all_due_ns = all ? now_ns + LABEL_PERIOD_NS : schedule->all_due_ns;
    uint64_t age_ns = now_ns - schedule->changed_ns;
    schedule->waiting = nameless > 0 && age_ns < LABEL_PERIOD_NS;
    schedule->cost_ns =
        clamp(cost_ns, 0, LABEL_GROWTH * clamp(schedule->cost_ns, LABEL_COST_NS, LABEL_PERIOD_NS));
    schedule->rested_ns = now_ns + clamp(schedule->cost_ns * LABEL_RESTS, 0, LABEL_PERIOD_NS);
    schedule->due_ns =
        now_ns + (schedule->waiting ? clamp(age_ns / 4, LABEL_AGAIN_NS, LABEL_AGAIN_NS_MAX)
                                    : LABEL_PERIOD_NS);
    if (schedule->all_due_ns < schedule->due_ns) {
        schedule->due_ns = schedule->all_due_ns;
    }
    if (schedule->due_ns < schedule->rested_ns) {
        schedule->due_ns = schedule->rested_ns;
    }
}
