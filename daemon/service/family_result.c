#include "daemon/service/family_result.h"

#include <stdio.h>
#include <string.h>

#include "daemon/service/notice.h"

void family_result_name(struct family_result *all, const char *output) {
    (void)snprintf(all->output, sizeof all->output, "%s", output);
    all->first.output = all->output;
}

void family_result_add(struct family_result *all, const struct session_result *result, bool first) {
    struct sampler_counts counts = all->first.counts;
    sampler_counts_add(&counts, &result->counts);
    const bool started = all->first.started || result->started;
    const bool stuck = all->first.stuck || result->stuck;
    if (first) {
        all->first = *result;
        family_result_name(all, result->output);
    } else {
        bool failed = result->writing != STATUS_OK && result->writing != STATUS_GONE &&
                      result->writing != STATUS_ABSENT;
        if (failed) {
            all->writing = result->writing;
            all->writing_error = result->writing_error;
        }
        all->written |= result->writing == STATUS_OK;
        if (result->status != STATUS_OK) {
            (result->stuck ? notice_say : notice_explain)("%s", result->error.text);
        }
    }
    all->first.counts = counts;
    all->first.started = started;
    all->first.stuck = stuck;
    all->processes += result->started ? 1 : 0;
}

void family_result_note_late(struct family_result *all, pid_t pid) {
    size_t used = strlen(all->found_late);
    size_t room = sizeof all->found_late - used;
    if (room > sizeof ", 4194304 and 4294967295 more") {
        (void)snprintf(all->found_late + used, room, "%s%d", used == 0 ? "" : ", ", (int)pid);
    } else {
        all->unlisted++;
    }
}

void family_result_join(struct family_result *all, const char *pattern) {
    if (all->writing != STATUS_OK) {
        all->first.writing = all->writing;
        all->first.writing_error = all->writing_error;
    } else if (all->first.writing == STATUS_ABSENT && all->written) {
        all->first.writing = STATUS_OK;
    }
    if (all->processes > 1) {
        all->first.output = pattern;
    }
}
