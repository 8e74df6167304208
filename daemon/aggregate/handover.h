/* handover: passes batches between a session's sampling thread and its writing thread.
 *
 * Owns two batches. At any time each belongs to one side: the sampler fills one while the other is
 * being written. No lock: each side advances one counter. The session creates
 * it before either thread knows it, and destroys it when both are done with it. The sampler's calls
 * never block and never allocate; they come once a batch, not once a sample.
 *
 * Batches are numbered from 0 in the order in which they are filled, and are written in that order.
 * The number of the one being filled is the epoch that the code cache works with (code_cache.h). */
#ifndef ECHION_DAEMON_AGGREGATE_HANDOVER_H
#define ECHION_DAEMON_AGGREGATE_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bell.h"
#include "common/status.h"
#include "daemon/aggregate/batch.h"

struct handover;

/* A timeout that never comes. */
#define HANDOVER_FOREVER UINT64_MAX

/* Allocates both batches, `merge` as in batch_create; STATUS_NOMEM if that fails. `bell`, which
 * must outlive it, is rung whenever there is news for the writer; NULL: it has one of its own. */
STATUS_CHECKED enum status handover_create(bool merge, struct bell *bell, struct handover **out);
void handover_destroy(struct handover *handover);

/* Sampling thread. */

/* An empty batch to fill, NULL while the writer still has both. The caller has it until it gives it
 * away, and asks for no other meanwhile. */
struct batch *handover_take_empty(struct handover *handover);

/* Gives the batch last taken to the writer, and wakes it. */
void handover_give_full(struct handover *handover, struct batch *batch);

/* Says that no batch will follow. Also any thread, once the sampling thread has ended. */
void handover_close(struct handover *handover);

/* Writing thread. */

/* The next batch to write, waiting up to `timeout_ns` for one. NULL when none came in time, or at
 * once when the hand-over is closed and all is written. The caller has it until it gives it back.
 */
struct batch *handover_wait_full(struct handover *handover, uint64_t timeout_ns);

/* Empties the batch last waited for and gives it back: what it named is no longer needed. */
void handover_give_back(struct handover *handover, struct batch *batch);

/* Any thread. */

/* Batches given to the writer so far: the number of the batch that is filled now, or next. */
uint64_t handover_given(const struct handover *handover);

/* Batches written so far: every batch with a smaller number has been written. */
uint64_t handover_written(const struct handover *handover);

/* Whether it is closed and everything that was given has been written. */
bool handover_is_finished(const struct handover *handover);

#endif
