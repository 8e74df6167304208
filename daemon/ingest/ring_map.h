/* ring_map: maps a ring that a target offers, if it cannot hurt us: a sealed memfd, which nobody
 * can cut short under the mapping. Cold. Whoever maps it unmaps it; any one thread. */
#ifndef ECHION_DAEMON_INGEST_RING_MAP_H
#define ECHION_DAEMON_INGEST_RING_MAP_H

#include "common/ring.h"
#include "common/status.h"

/* Maps the ring behind `fd`, open for reading and writing, which stays the caller's. ABSENT if it
 * is not even a memfd; CORRUPT if it is one that could be cut short (no F_SEAL_SHRINK), cannot be
 * written to, has huge pages (a hole in these is SIGBUS), or another size than a ring. What is in
 * it is for ring_reader_init() to judge. */
STATUS_CHECKED enum status ring_map(int fd, struct ring **out, struct error *error);

/* NULL is accepted. */
void ring_unmap(struct ring *ring);

#endif
