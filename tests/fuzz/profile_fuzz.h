/* profile_fuzz: what the fuzzers of both profile readers require of them. For the fuzzers only. */
#ifndef ECHION_TESTS_FUZZ_PROFILE_FUZZ_H
#define ECHION_TESTS_FUZZ_PROFILE_FUZZ_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report_page.h"
#include "cli/tally.h"
#include "common/display.h"

typedef enum status profile_reader(struct profile_input *, struct names *,
                                   const struct profile_taker *, struct profile_facts *,
                                   struct error *);

static inline void require(bool holds) {
    if (!holds) {
        abort();
    }
}

/* What the reports do with a name: it must come out fit for a terminal, in the room it is given. */
static inline void profile_fuzz_name(const char *name, size_t size) {
    char *clean = display_clean(name, size);
    if (clean == NULL) {
        return;
    }
    for (const char *at = clean; *at != '\0'; at++) {
        require((unsigned char)*at >= ' ' && *at != 0x7F);
    }
    require(display_width(display_cut_front(clean, 20)) <= 20);
    free(clean);
}

/* Hands samples on to a tally, and sees whether one has so large a metric that sums may meet their
 * limit and no longer fit together. */
struct profile_fuzz_taker {
    struct profile_taker inner;
    bool large;
};

static inline enum status profile_fuzz_metadata(void *context, const char *key, const char *value) {
    const struct profile_fuzz_taker *self = context;
    return self->inner.metadata(self->inner.context, key, value);
}

static inline enum status profile_fuzz_sample(void *context, const struct profile_sample *sample) {
    struct profile_fuzz_taker *self = context;
    self->large =
        self->large || sample->metric > INT64_MAX >> 24 || sample->metric < INT64_MIN >> 24;
    return self->inner.sample(self->inner.context, sample);
}

static inline void profile_fuzz_tally(const struct tally *tally, bool large) {
    uint32_t count;
    uint32_t *ranking = tally_ranking(tally, &count);
    int64_t self = 0;
    require(ranking != NULL && count <= names_count(tally->names));
    for (uint32_t i = 0; i < count; i++) {
        const struct tally_function *function = &tally->functions[ranking[i]];
        require(function->last_sample > 0 && function->last_sample <= tally->samples);
        require(i == 0 || function->self <= tally->functions[ranking[i - 1]].self);
        size_t size;
        const char *name = names_text(tally->names, ranking[i], &size);
        profile_fuzz_name(name, size);
        self += large ? 0 : function->self;
    }
    require(large || self == tally->total);
    free(ranking);
}

static inline void profile_fuzz(profile_reader *reader, const uint8_t *data, size_t size) {
    static FILE *nowhere;
    struct tally tally;
    struct profile_input input;
    if ((nowhere == NULL && (nowhere = fopen("/dev/null", "w")) == NULL) ||
        tally_init(&tally) != STATUS_OK) {
        return;
    }
    struct profile_fuzz_taker fuzz_taker = {.inner = tally_taker(&tally), .large = false};
    const struct profile_taker taker = {&fuzz_taker, profile_fuzz_metadata, profile_fuzz_sample};
    struct profile_facts facts = {.cut = false};
    struct error error = {.status = STATUS_OK, .text = ""};
    profile_input_over(&input, data, size);
    const enum status status = reader(&input, tally.names, &taker, &facts, &error);
    require(status == error.status);
    require(input.at <= input.end && input.end == size);
    profile_fuzz_tally(&tally, fuzz_taker.large);
    const struct report_page page = {
        .file = "fuzz", .tally = &tally, .facts = &facts, .count = 3, .width = 60};
    require(report_page_print(&page, nowhere) == STATUS_OK);
    tally_deinit(&tally);
}

#endif
