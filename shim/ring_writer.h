/* ring_writer: publishes records in the ring (common/ring.h). Any thread of the target, also in a
 * signal handler; the ring is the shim's. No lock, no allocation, no system call, no waiting. */
#ifndef ECHION_SHIM_RING_WRITER_H
#define ECHION_SHIM_RING_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ring.h"

/* Makes zeroed memory an empty ring. */
void ring_begin(struct ring *ring, int32_t pid);

/* Publishes `size` bytes, RING_PAYLOAD at most. False if there was no room: the record is counted
 * as dropped, and the reader will ask for everything anew. */
bool ring_write(struct ring *ring, uint16_t kind, const void *payload, uint16_t size);

#endif
