/* summary: what a session's counts tell a person: the progress line and the line at the end. Cold.
 */
#ifndef ECHION_DAEMON_SERVICE_SUMMARY_H
#define ECHION_DAEMON_SERVICE_SUMMARY_H

#include "daemon/service/session.h"

/* The progress line, for a session that runs. */
void summary_show_progress(const struct sampler_counts *counts);

/* The line at the end. `output` is the name of the file, NULL if nothing was written. */
void summary_show_end(const struct session_result *result, const char *output);

#endif
