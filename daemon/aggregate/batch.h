/* batch: what one sampler gathered in at most a second: a tree of stacks, and the samples that
 * refer to it. All memory is allocated at creation; filling never allocates. HOT.
 *
 * A session owns two. The sampler fills one while the writing thread writes the other; they are
 * handed over whole (handover.h), so no part of a batch is ever touched by two threads at once.
 * Codes that its nodes name belong to the code cache, which keeps them until the batch has been
 * written. */
#ifndef ECHION_DAEMON_AGGREGATE_BATCH_H
#define ECHION_DAEMON_AGGREGATE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/code.h"

/* Answer of the functions below when the batch has no room left: hand it over and fill the other.
 */
#define BATCH_FULL UINT32_MAX

/* The node of the empty stack: the parent of every root frame. */
#define BATCH_EMPTY_STACK 0U

enum { BATCH_LABEL_MAX = 1024 };

/* One frame in the tree of stacks; its caller is `parent`, which always has a smaller index. */
struct batch_node {
    const struct code *code; /* NULL: the special frame ":INVALID:", where decoding had to stop */
    uint32_t parent;
    uint32_t unit; /* code unit (instruction) within the code */
};

struct batch_thread {
    int32_t pid;         /* in the daemon's PID namespace */
    int64_t interpreter; /* PyInterpreterState.id */
    uint32_t
        label_at; /* into `labels`: the thread's name or decimal tid, NUL-terminated, cleaned */
};

/* `count` equal samples that together have `metric`; a count above one only where merging is on. */
struct batch_sample {
    uint32_t thread;
    uint32_t node;
    uint32_t count;
    int64_t metric; /* microseconds, wall or cpu */
};

struct batch {
    bool merge; /* samples of the same thread and stack are summed in one entry (text), or kept
                   apart */

    struct batch_node *nodes;
    uint32_t node_count, node_capacity;
    uint32_t *node_slots; /* hash table of node indices; 0 = free, as node 0 is never looked up */
    uint32_t node_slot_mask;

    struct batch_sample *samples; /* in order of (first) sighting */
    uint32_t sample_count, sample_capacity;
    uint32_t *sample_slots; /* hash table of sample index + 1, when merging */
    uint32_t sample_slot_mask;

    struct batch_thread *threads;
    uint32_t thread_count, thread_capacity;
    char *labels;
    uint32_t label_size, label_capacity;
};

/* Allocates everything; STATUS_NOMEM if that fails. The caller destroys it. */
STATUS_CHECKED enum status batch_create(bool merge, struct batch **out);
void batch_destroy(struct batch *batch);

/* Forgets all content, keeps the memory. */
void batch_clear(struct batch *batch);

/* The node of `code` at `unit` called from `parent`, made if it is new; BATCH_FULL without room. */
uint32_t batch_child(struct batch *batch, uint32_t parent, const struct code *code, uint32_t unit);

/* Registers a thread for this batch under `label` (cut at BATCH_LABEL_MAX - 1 bytes); its index, to
 * be remembered by the caller until the batch is handed over; BATCH_FULL without room. */
uint32_t batch_thread(struct batch *batch, int32_t pid, int64_t interpreter, const char *label);

/* Gives a thread of this batch another label, for the samples that it has there, too. False without
 * room: it keeps the one that it has. */
bool batch_relabel(struct batch *batch, uint32_t thread, const char *label);

/* Adds `count` equal samples of `metric` microseconds together. False without room. */
bool batch_sample(struct batch *batch, uint32_t thread, uint32_t node, uint32_t count,
                  int64_t metric);

#endif
