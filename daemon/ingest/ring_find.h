/* ring_find: finds the ring that the shim in a process has made, among what the process has open.
 * Cold; any one thread. */
#ifndef ECHION_DAEMON_INGEST_RING_FIND_H
#define ECHION_DAEMON_INGEST_RING_FIND_H

#include <stdint.h>

#include "common/ring.h"
#include "common/status.h"

/* Maps the ring of the process with the open folder /proc/PID `process`, which calls itself
 * `own_pid`: a ring that it has inherited or been given names another. The caller unmaps it
 * (ring_unmap). ABSENT: it has none. CORRUPT: it has what looks like one, and must not be mapped;
 * the text says why. DENIED: what it has open may not be looked at. GONE, SYS. */
STATUS_CHECKED enum status ring_find(int process, int32_t own_pid, struct ring **out,
                                     struct error *error);

/* The same of one link beneath an open folder, such as /proc/PID/fd or map_files. */
STATUS_CHECKED enum status ring_open(int folder, const char *name, int32_t own_pid,
                                     struct ring **out, struct error *error);

#endif
