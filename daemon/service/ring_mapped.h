/* ring_mapped: the ring of a process that has closed the descriptor by which rings are found, as a
 * program may that closes all that it does not know. A function; any thread. Cold, and can block as
 * long as memory_read can. */
#ifndef ECHION_DAEMON_SERVICE_RING_MAPPED_H
#define ECHION_DAEMON_SERVICE_RING_MAPPED_H

#include "common/ring.h"
#include "common/status.h"
#include "daemon/target/process.h"

/* Looks for it among the process's mappings. A ring that was inherited by a fork does not count.
 * The caller unmaps it (ring_unmap). ABSENT: it has none. DENIED: it has one, but a mapping can be
 * opened only by those who may (proc(5), map_files), and the text says so. GONE, NOMEM, SYS. */
STATUS_CHECKED enum status ring_mapped_find(const struct process *process, struct ring **out,
                                            struct error *error);

#endif
