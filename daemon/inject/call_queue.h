/* call_queue: a copy of a target's queue of pending calls, and the few stores that put a call into
 * the real one. A plain value of some KiB; one thread at a time. Cold.
 *
 * What is read without stopping the target may be out of date or torn; a call is put in only while
 * all threads stand still and the queue's lock is free. */
#ifndef ECHION_DAEMON_INJECT_CALL_QUEUE_H
#define ECHION_DAEMON_INJECT_CALL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/inject/pending_layout.h"
#include "daemon/target/memory_write.h"

enum { CALL_QUEUE_BYTES_MAX = 8192, CALL_QUEUE_SLOTS_MAX = 512 };

struct call_queue {
    const struct pending_layout *layout; /* outlives it */
    struct raddr at;
    unsigned word_size;
    uint32_t first, next; /* indices of slots */
    int32_t count;
    bool locked;
    bool finishing;
    uint8_t bytes[CALL_QUEUE_BYTES_MAX];
};

/* Bytes from the queue's start to its end; 0: the layout contradicts itself. */
uint32_t call_queue_size(const struct pending_layout *layout, unsigned word_size);

/* Copies the queue at `at`. CORRUPT: an index or the count is absurd. Others as memory_write. */
STATUS_CHECKED enum status call_queue_read(const struct memory_write *door, struct raddr at,
                                           const struct pending_layout *layout,
                                           struct call_queue *out);

/* How many calls wait in it. */
uint32_t call_queue_length(const struct call_queue *queue);

/* Whether one more would not fit. */
bool call_queue_is_full(const struct call_queue *queue);

/* Whether a call with this function and this argument waits in it, at which slot. */
bool call_queue_find(const struct call_queue *queue, struct raddr function, struct raddr argument,
                     uint32_t *index);

/* Whether the number of calls contradicts the indices: so it is when a daemon was killed between
 * the two stores that 3.13 needs (call_queue_put). */
bool call_queue_is_half_put(const struct call_queue *queue);

/* Puts a call in behind the others. The slot is written first, and the index that makes it a call
 * by one store. 3.13 needs another one for the number of calls: until that is there, the call is
 * not made, and one that is put in meanwhile is made a turn later. Nothing in CPython uses that
 * queue but what moves objects between subinterpreters (Py_AddPendingCall uses another one). */
STATUS_CHECKED enum status call_queue_put(const struct memory_write *door,
                                          const struct call_queue *queue, struct raddr function,
                                          struct raddr argument);

/* The second of those stores, where it is missing. */
STATUS_CHECKED enum status call_queue_complete(const struct memory_write *door,
                                               const struct call_queue *queue);

#endif
