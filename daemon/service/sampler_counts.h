/* sampler_counts: what a sampler has done. A plain value. */
#ifndef ECHION_DAEMON_SERVICE_SAMPLER_COUNTS_H
#define ECHION_DAEMON_SERVICE_SAMPLER_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

/* due = ticks x live threads = kept + torn + missed. */
struct sampler_counts {
    uint64_t ticks; /* ticks of the interval, those that were missed included */
    uint64_t due;
    uint64_t kept;     /* written whole, from a read of their own tick */
    uint64_t torn;     /* no consistent read after the retries, or accepted on a mismatch */
    uint64_t missed;   /* ticks never read */
    uint64_t late;     /* begun more than half an interval late */
    uint64_t errors;   /* reads that failed, for another reason than that the target moved on */
    uint64_t retries;  /* pictures taken again within a tick */
    uint64_t threads;  /* thread states seen */
    uint64_t start_ns; /* CLOCK_MONOTONIC of the first sample, 0 while there is none */
    uint64_t end_ns;   /* of the last one */
    uint64_t cpu_native_us; /* with `cpu`: CPU time of threads without a PyThreadState */
    uint64_t cpu_unseen_us; /* with `cpu`: CPU time of threads that were never seen */
};

/* Whether what was due is accounted for: true of every sampler that does not run. */
static inline bool sampler_counts_add_up(const struct sampler_counts *counts) {
    return counts->kept + counts->torn + counts->missed == counts->due;
}

/* Adds another sampler's: what both did, from when the first began to when the last ended. */
void sampler_counts_add(struct sampler_counts *sum, const struct sampler_counts *counts);

#endif
