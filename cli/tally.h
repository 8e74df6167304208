/* tally: self and total time of each function, and what else a report tells of a profile. Owned by
 * the report; one thread. */
#ifndef ECHION_CLI_TALLY_H
#define ECHION_CLI_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/names.h"
#include "cli/profile.h"
#include "common/status.h"

/* Of the names' function with the same number. Times are the profile's metric. */
struct tally_function {
    int64_t self;         /* while it was the innermost frame */
    int64_t total;        /* while it was anywhere on the stack, once however often it was there */
    uint64_t last_sample; /* number of the last sample that had it, from 1 on */
};

struct tally {
    struct names *names; /* "file:function" */
    struct names *threads;
    struct names *processes;
    struct tally_function *functions;
    uint32_t capacity;
    uint64_t samples; /* records with a stack: in the text format each may sum many samples */
    int64_t total;
    uint32_t frameless; /* number of the function that stands for stacks without a frame */

    /* Metadata; NULL where the file has none. */
    char *mode, *python, *interval, *duration, *sample_count, *missed, *late, *torn;
    char *cpu_native, *cpu_unseen;
};

STATUS_CHECKED enum status tally_init(struct tally *tally);
void tally_deinit(struct tally *tally);

/* What profile_read hands its samples to. */
struct profile_taker tally_taker(struct tally *tally);

/* Numbers of all functions that have time, the one with the most self time first, then by total
 * time and name; to be freed. NULL without memory, or with `*count` 0 if there are none. */
uint32_t *tally_ranking(const struct tally *tally, uint32_t *count);

#endif
