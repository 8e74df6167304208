/* recorder: a session's writing thread: takes full batches from the hand-over and writes them,
 * between the header's metadata and the footer's.
 *
 * The output is taken (and an existing file emptied) when the first batch is there, i.e. once the
 * first sample is in hand. When writing fails, or nobody reads a pipe or a socket any more, the
 * recorder goes on emptying batches, so that the sampler never waits for it, and rings the bell.
 * Created and destroyed by the session. Cold. */
#ifndef ECHION_DAEMON_SERVICE_RECORDER_H
#define ECHION_DAEMON_SERVICE_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/aggregate/handover.h"
#include "daemon/service/options.h"
#include "daemon/service/output_file.h"
#include "daemon/service/sampler.h"

struct recorder;

struct recorder_plan {
    const struct options *options;
    struct handover *handover;
    struct output_file *const *output; /* where it is found when the first batch is there */
    const atomic_bool *settled;        /* or once this is true */
    /* The same; launch: CLOCK_MONOTONIC when there was no interpreter yet; else 0. */
    const uint64_t *gap_from_ns;
    int bell; /* an eventfd: rung when writing has failed, and when everything is written */
    /* The counts for the footer, asked for once all batches are written. Writing thread. */
    void (*totals)(void *owner, struct sampler_counts *out);
    void *owner;
};

/* All of the plan must outlive the recorder. */
STATUS_CHECKED enum status recorder_start(const struct recorder_plan *plan, struct recorder **out,
                                          struct error *error);

/* Metadata to be written before the next batch; `key` is a constant. Any thread. */
void recorder_note(struct recorder *recorder, const char *key, const char *value);

/* Whether everything is written, or given up. Any thread. */
bool recorder_is_done(const struct recorder *recorder);

/* Whether writing has failed, or has become pointless. Any thread. */
bool recorder_has_failed(const struct recorder *recorder);

/* Waits for the thread, and tells how writing went: GONE when nobody reads the output any more,
 * ABSENT when there was nothing to write, so that the output was not touched. */
enum status recorder_join(struct recorder *recorder, struct error *error);

/* After recorder_join. Accepts NULL. */
void recorder_destroy(struct recorder *recorder);

#endif
