#include "daemon/service/outcome.h"

#include <inttypes.h>

#include "daemon/service/exit_status.h"
#include "daemon/service/notice.h"
#include "daemon/service/summary.h"

int outcome_of_output(enum status status) {
    return status == STATUS_UNSUPPORTED ? EXIT_STATUS_USAGE : EXIT_STATUS_OUTPUT;
}

/* The profile is as good as it was; what it says of itself is not to be relied on. */
static bool tell_counts(const struct sampler_counts *counts) {
    notice_explain("%" PRIu64 " ticks, %" PRIu64 " samples due: %" PRIu64 " kept, %" PRIu64
                   " torn, %" PRIu64 " missed; %" PRIu64 " pictures were taken again",
                   counts->ticks, counts->due, counts->kept, counts->torn, counts->missed,
                   counts->retries);
    if (sampler_counts_add_up(counts)) {
        return true;
    }
    notice_say("internal error: %" PRIu64 " samples were due, but %" PRIu64 " kept, %" PRIu64
               " torn and %" PRIu64 " missed; please report this",
               counts->due, counts->kept, counts->torn, counts->missed);
    return false;
}

int outcome_tell(const struct family_result *family, const struct options *options) {
    const struct session_result *result = &family->first;
    const char *output = result->output;
    bool written = result->writing == STATUS_OK || result->writing == STATUS_GONE;
    int exit_status = EXIT_STATUS_OK;
    if (result->status != STATUS_OK) {
        if (*result->error.text != '\0') {
            notice_say("%s", result->error.text);
        }
        exit_status =
            result->stuck ? EXIT_STATUS_NO_ANSWER : (int)exit_status_of_target(result->status);
    }
    if (result->writing == STATUS_GONE) {
        notice_explain("%s: %s", output, result->writing_error.text);
    } else if (!written && result->writing != STATUS_ABSENT) {
        notice_say("%s", result->writing_error.text);
        exit_status = EXIT_STATUS_WRITE;
    }
    /* A thread that hangs may come back while its counts are copied. */
    if (!result->stuck && !tell_counts(&result->counts) && exit_status == EXIT_STATUS_OK) {
        exit_status = EXIT_STATUS_INTERNAL;
    }
    if (result->started && result->writing == STATUS_ABSENT && exit_status == EXIT_STATUS_OK) {
        notice_say("no sample was taken: %s stays as it was", output);
    } else if (result->started && !options->quiet) {
        summary_show_end(family, result->writing == STATUS_ABSENT ? NULL : output);
    }
    return exit_status;
}
