/* sampler: samples one Python process at a steady interval and fills batches with what it sees.
 *
 * Owned by a session; created, run and destroyed on the session's sampling thread. Only the
 * functions marked "any thread" may be called from elsewhere while it runs. sampler_run is the hot
 * loop. */
#ifndef ECHION_DAEMON_SERVICE_SAMPLER_H
#define ECHION_DAEMON_SERVICE_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/aggregate/handover.h"
#include "daemon/python/runtime.h"
#include "daemon/service/sampler_counts.h"
#include "daemon/service/shim_link.h"
#include "daemon/target/process.h"

struct sampler;

struct sampler_options {
    uint64_t interval_ns; /* 0: as fast as it can */
    bool cpu; /* the metric is the thread's own CPU time, and only threads that used some count */
    uint64_t
        warm_up_ns; /* most that is spent on getting to know the stacks before the first tick */
    struct shim_link *link; /* borrowed; or NULL */
};

/* The process and the runtime stay the caller's and must outlive the sampler. */
STATUS_CHECKED enum status sampler_create(const struct process *process,
                                          const struct runtime *runtime,
                                          const struct sampler_options *options,
                                          struct handover *handover, struct sampler **out,
                                          struct error *error);
void sampler_destroy(struct sampler *sampler);

/* Samples until sampler_stop, then returns STATUS_OK; or until the process is gone or has exec'ed
 * (STATUS_GONE), its memory is refused (STATUS_DENIED), or its interpreter's structures stop making
 * sense for a second on end (STATUS_CORRUPT). The last batch is handed over in every case. */
STATUS_CHECKED enum status sampler_run(struct sampler *sampler, struct error *error);

/* Asks sampler_run to return; it does within an interval or 10 ms, unless a read blocks. Any
 * thread; async-signal-safe. */
void sampler_stop(struct sampler *sampler);

/* A copy of the counts so far. Any thread; each figure is right, though not all of one instant. */
void sampler_counts(const struct sampler *sampler, struct sampler_counts *out);

/* CLOCK_MONOTONIC nanoseconds at which the read under way began, 0 when none is. Any thread. The
 * session uses it to tell that the target's memory does not answer. */
uint64_t sampler_read_since(const struct sampler *sampler);

/* One line that describes the shape of the last batched read: bytes of each span, comma-separated.
 * For -v and the benchmark's floor. Not while sampler_run runs. */
void sampler_describe(const struct sampler *sampler, char *out, unsigned size);

#endif
