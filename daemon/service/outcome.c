#include "daemon/service/outcome.h"

#include "daemon/service/exit_status.h"
#include "daemon/service/notice.h"
#include "daemon/service/summary.h"

int outcome_of_output(enum status status) {
    return status == STATUS_UNSUPPORTED ? EXIT_STATUS_USAGE : EXIT_STATUS_OUTPUT;
}

int outcome_tell(const struct session_result *result, const struct options *options) {
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
    if (result->started && result->writing == STATUS_ABSENT && exit_status == EXIT_STATUS_OK) {
        notice_say("no sample was taken: %s stays as it was", output);
    } else if (result->started && !options->quiet) {
        summary_show_end(result, result->writing == STATUS_ABSENT ? NULL : output);
    }
    return exit_status;
}
