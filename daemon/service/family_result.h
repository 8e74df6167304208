/* family_result: what came of the profiles of several processes, gathered as they end. Owned by the
 * family; a plain value but that `first.output` may point into it, all zero at first. Cold. */
#ifndef ECHION_DAEMON_SERVICE_FAMILY_RESULT_H
#define ECHION_DAEMON_SERVICE_FAMILY_RESULT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/service/session.h"

struct family_result {
    struct session_result first; /* of the first process; but the counts are those of all, and so is
                                    what went wrong with an output */
    unsigned processes;          /* that were profiled */
    char found_late[160];        /* pids of those that were found by looking, or empty */

    /* While it is gathered. */
    unsigned unlisted;   /* more of these */
    bool written;        /* the output of another than the first */
    enum status writing; /* what went wrong with the output of another than the first */
    struct error writing_error;
    char output[PATH_MAX];
};

/* Adds what came of one process. */
void family_result_add(struct family_result *all, const struct session_result *result, bool first);

/* Adds to the list of those that were found by looking. */
void family_result_note_late(struct family_result *all, pid_t pid);

/* Once all is added: where each process has an output of its own, what is to be said of them
 * together. `pattern`: their common name; must outlive it. */
void family_result_join(struct family_result *all, const char *pattern);

/* The name of the output, copied. */
void family_result_name(struct family_result *all, const char *output);

#endif
