/* recorder: a file's writing thread: takes full batches from the hand-overs of one session, or of
 * several that share the file, and writes them between the header's metadata and the footer's.
 *
 * The output is taken (and an existing file emptied) when the first batch is there, i.e. once the
 * first sample is in hand. When writing fails, or nobody reads a pipe or a socket any more, the
 * recorder goes on emptying batches, so that no sampler waits for it, and rings the bell. Created
 * and destroyed by the main thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_RECORDER_H
#define ECHION_DAEMON_SERVICE_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bell.h"
#include "common/status.h"
#include "daemon/aggregate/handover.h"
#include "daemon/service/options.h"
#include "daemon/service/output_file.h"
#include "daemon/service/sampler_counts.h"

struct recorder;
struct recorder_source;

struct recorder_plan {
    const struct options *options;
    struct output_file *const *output; /* where it is found when the first batch is there */
    const atomic_bool *settled;        /* or once this is true */
    bool several;                      /* processes may share the file */
    int bell; /* an eventfd: rung when writing has failed, and when a source or all is written */
};

/* Where batches come from. */
struct recorder_feed {
    struct handover *handover; /* made with recorder_bell() */
    /* Read when the first batch is there; launch: CLOCK_MONOTONIC when there was no interpreter
     * yet; else 0. */
    const uint64_t *gap_from_ns;
    /* The counts for the footer, asked for once all its batches are written. Writing thread. */
    void (*totals)(void *owner, struct sampler_counts *out);
    void *owner;
};

/* All of the plan must outlive the recorder. */
STATUS_CHECKED enum status recorder_start(const struct recorder_plan *plan, struct recorder **out,
                                          struct error *error);

/* Whether batches for it may sum equal samples. */
bool recorder_merges(const struct recorder *recorder);

/* What a hand-over rings for this recorder. */
struct bell *recorder_bell(struct recorder *recorder);

/* Takes batches from a hand-over as well, until it is closed and all is written. The feed must last
 * until recorder_has_written; the source, until recorder_destroy, is the recorder's. NULL: out of
 * memory. Any thread, before recorder_seal. */
struct recorder_source *recorder_add(struct recorder *recorder, const struct recorder_feed *feed);

/* Whether everything of a source is written, or given up: its feed may go. Any thread. */
bool recorder_has_written(const struct recorder_source *source);

/* No source will be added any more: once all are written, so is the footer. Any thread. */
void recorder_seal(struct recorder *recorder);

/* Metadata to be written before the next batch, unless it is what was noted last; `key` is a
 * constant. Any thread. */
void recorder_note(struct recorder *recorder, const char *key, const char *value);

/* Whether it is sealed and everything is written, or given up. Any thread. */
bool recorder_is_done(const struct recorder *recorder);

/* Whether writing has failed, or has become pointless. Any thread. */
bool recorder_has_failed(const struct recorder *recorder);

/* Once it is sealed: waits for the thread, and tells how writing went: GONE when nobody reads the
 * output any more, ABSENT when there was nothing to write, so that the output was not touched. */
enum status recorder_join(struct recorder *recorder, struct error *error);

/* After recorder_join. Accepts NULL. */
void recorder_destroy(struct recorder *recorder);

#endif
