/* summary: what a profile's counts tell a person: the progress line and the line at the end. Cold.
 */
#ifndef ECHION_DAEMON_SERVICE_SUMMARY_H
#define ECHION_DAEMON_SERVICE_SUMMARY_H

#include "daemon/service/family.h"

/* The progress line, for one that runs. */
void summary_show_progress(const struct sampler_counts *counts);

/* The line at the end, and which processes were found late. `output` is the name of the file, NULL
 * if nothing was written. */
void summary_show_end(const struct family_result *result, const char *output);

#endif
