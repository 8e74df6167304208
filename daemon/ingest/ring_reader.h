/* ring_reader: takes records out of a ring (common/ring.h) that a target shares with us. One per
 * ring, used by one thread. Nothing in the ring is trusted: what is read is read once, into our own
 * memory, and a ring that makes no sense is CORRUPT, which the session says, and goes on without.
 */
#ifndef ECHION_DAEMON_INGEST_RING_READER_H
#define ECHION_DAEMON_INGEST_RING_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ring.h"
#include "common/status.h"

/* A record that was reserved and is not committed after so long will not be: its writer was killed.
 */
enum { RING_STALL_MS = 1000 };

struct ring_reader {
    struct ring *ring; /* borrowed; shared with the target */
    uint32_t tail, dropped, wanted;
    uint32_t stalled_ms; /* when the record at `tail` was first found reserved and not committed */
    bool stalled;
};

/* Begins at the oldest record that is unread, or goes on where the last reader ended. CORRUPT if
 * this is no ring of this version. */
STATUS_CHECKED enum status ring_reader_init(struct ring_reader *reader, struct ring *ring);

/* Copies at most `capacity` committed records, oldest first, into `out`; their number to `*count`.
 * `*lost` is how many could not be had: dropped for lack of room, never committed, or broken. If
 * there are any, everything is asked for anew. `now_ms`: CLOCK_MONOTONIC, which the target sees as
 * the heartbeat. `ended`: nobody writes any more, so that what is not committed never will be.
 * CORRUPT, and nothing is copied, when the ring makes no sense. */
STATUS_CHECKED enum status ring_reader_take(struct ring_reader *reader, uint32_t now_ms, bool ended,
                                            struct ring_record *out, uint32_t capacity,
                                            uint32_t *count, uint32_t *lost);

/* Whether somebody else reads it; `now_ms` is CLOCK_MONOTONIC. There may be one reader only. */
bool ring_reader_is_there(const struct ring *ring, uint32_t now_ms);

/* Lets the target know what is wanted: enum ring_wants. */
void ring_reader_want(struct ring_reader *reader, uint32_t wants);

/* Asks for everything to be published anew. */
void ring_reader_resync(struct ring_reader *reader);

/* Lets the target know that nobody reads any more. */
void ring_reader_leave(struct ring_reader *reader);

#endif
