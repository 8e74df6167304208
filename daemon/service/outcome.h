/* outcome: says what came of a profile, and which exit status that is. Main thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_OUTCOME_H
#define ECHION_DAEMON_SERVICE_OUTCOME_H

#include "daemon/service/family.h"
#include "daemon/service/options.h"

/* The exit status for an output that could not be opened. */
int outcome_of_output(enum status status);

/* Says what went wrong, and unless `options->quiet`, the line at the end; returns the exit status.
 */
int outcome_tell(const struct family_result *family, const struct options *options);

#endif
