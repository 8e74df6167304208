#include "daemon/service/summary.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/service/clock.h"
#include "daemon/service/notice.h"

enum { NUMBER_MAX = 32, BODY_MAX = 256 };

/* A number with a comma between thousands. */
static const char *grouped(uint64_t value, char out[NUMBER_MAX]) {
    char digits[NUMBER_MAX];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    char *end = out;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *end++ = ',';
        }
        *end++ = digits[i];
    }
    *end = '\0';
    return out;
}

static void describe(const struct sampler_counts *counts, unsigned processes, char *out,
                     size_t size) {
    char among[NUMBER_MAX] = "";
    if (processes > 1) {
        (void)snprintf(among, sizeof among, " in %u processes", processes);
    }
    char samples[NUMBER_MAX], rate[NUMBER_MAX], late[NUMBER_MAX], torn[NUMBER_MAX];
    double seconds = (double)(counts->end_ns - counts->start_ns) / (double)CLOCK_NS_PER_S;
    /* Ticks that were read: what was due at the others is counted as missed. */
    double read =
        counts->due == 0
            ? (double)counts->ticks
            : (double)counts->ticks * (double)(counts->due - counts->missed) / (double)counts->due;
    double reached = seconds > 0 ? read / seconds : 0;
    (void)snprintf(
        out, size, "%s samples of %" PRIu64 " thread%s%s in %.1f s (%s/s), %s late, %s torn",
        grouped(counts->kept + counts->torn, samples), counts->threads,
        counts->threads == 1 ? "" : "s", among, seconds, grouped((uint64_t)(reached + 0.5), rate),
        grouped(counts->late, late), grouped(counts->torn, torn));
}

void summary_show_progress(const struct sampler_counts *counts) {
    char body[BODY_MAX];
    describe(counts, 1, body, sizeof body);
    notice_progress("%s", body);
}

void summary_show_end(const struct family_result *result, const char *output) {
    char body[BODY_MAX];
    describe(&result->first.counts, result->processes, body, sizeof body);
    if (output == NULL) {
        notice_say("%s: nothing written", body);
    } else {
        notice_say("%s -> %s", body, output);
    }
    if (*result->found_late != '\0') {
        char more[NUMBER_MAX] = "";
        if (result->unlisted > 0) {
            (void)snprintf(more, sizeof more, " and %u more", result->unlisted);
        }
        notice_say("found by looking, while they ran: %s%s", result->found_late, more);
    }
}
