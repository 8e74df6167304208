/* label_schedule: when the threads' labels are to be looked for again. Part of a sampler, used by
 * its thread only; a plain value, all zero at first. Cold.
 *
 * A thread runs for a moment before Python lists its name, and may not live for long after that. So
 * labels are looked for as soon as a thread comes, and again after a quarter of the time for which
 * it has been there, until every thread has a name or that has been tried for long enough. All are
 * looked through twice a second anyway, since threads are renamed. However fast threads come, a
 * look is followed by a rest of so many times the CPU time that it took: looks take at most a
 * fifth of the sampling thread's time. Where a hypervisor takes the core in the middle of a look,
 * its time seems to be the look's: a look counts as no more than four times the one before. */
#ifndef ECHION_DAEMON_SERVICE_LABEL_SCHEDULE_H
#define ECHION_DAEMON_SERVICE_LABEL_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LABEL_RESTS = 4,                       /* times what a look took */
    LABEL_COST_NS = 50 * 1000,             /* what the look before counts as, at least */
    LABEL_GROWTH = 4,                      /* times that, this one counts as at most */
    LABEL_AGAIN_NS = 100 * 1000,           /* between two looks, at least */
    LABEL_AGAIN_NS_MAX = 20 * 1000 * 1000, /* and at most, while a new thread has no name */
    LABEL_PERIOD_NS = 500 * 1000 * 1000,   /* otherwise; and how long a thread is new */
};

struct label_schedule {
    uint64_t changed_ns; /* when threads last came or went */
    uint64_t rested_ns;  /* no look before this */
    uint64_t due_ns;
    uint64_t all_due_ns; /* of a look through all */
    uint64_t cost_ns;    /* of the look before, as counted */
    bool waiting;        /* for the name of a new thread */
};

/* Threads came or went. Times are CLOCK_MONOTONIC. */
void label_schedule_changed(struct label_schedule *schedule, uint64_t now_ns);

/* A look has ended, through `all` threads or the newest, that took `cost_ns` of CPU time and found
 * `nameless` threads without a name. */
void label_schedule_looked(struct label_schedule *schedule, uint64_t now_ns, bool all,
                           uint64_t cost_ns, uint32_t nameless);

static inline bool label_schedule_is_due(const struct label_schedule *schedule, uint64_t now_ns) {
    return now_ns >= schedule->due_ns;
}

#endif
