/* emitter: turns the stacks of a sampler's threads into samples of the batch being filled, and
 * hands batches over in time. Owned by a sampler, used by its thread only. HOT but for
 * emitter_turn. */
#ifndef ECHION_DAEMON_SERVICE_EMITTER_H
#define ECHION_DAEMON_SERVICE_EMITTER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/aggregate/handover.h"
#include "daemon/decode/code_cache.h"
#include "daemon/service/thread_table.h"

struct emitter {
    struct handover *handover;
    struct code_cache *codes;
    struct thread_table *threads;
    struct batch *batch; /* being filled; NULL while the writer holds both */
    uint64_t since_ns;   /* when the batch was begun */
    int32_t pid;         /* as shown */
};

void emitter_init(struct emitter *emitter, struct handover *handover, struct code_cache *codes,
                  struct thread_table *threads, int32_t pid);

/* To be called once a tick: hands the batch over when it is old enough, and begins another. False
 * while there is no batch to fill, because the writer is behind. */
bool emitter_ready(struct emitter *emitter, uint64_t now_ns);

/* To be called now and then between ticks that are far apart: hands the batch over when it is old
 * enough and holds samples, so that they need not wait for the next tick. */
void emitter_flush(struct emitter *emitter, uint64_t now_ns);

/* Hands the batch over now, whatever it holds, and begins another if there is one. */
void emitter_turn(struct emitter *emitter, uint64_t now_ns);

/* Hands over the last batch. */
void emitter_finish(struct emitter *emitter);

/* Gives the samples that the batch has of `late` threads the labels that were found since. */
void emitter_relabel(struct emitter *emitter);

/* The node of a thread's stack in the batch being filled, with ":INVALID:" as its innermost frame
 * if `torn`; BATCH_FULL when no batch takes it. May turn to another batch. */
uint32_t emitter_node(struct emitter *emitter, struct thread_record *record, bool torn,
                      uint64_t now_ns);

/* Adds `count` samples of `node` that have `metric` microseconds together. False when no batch
 * takes them. The node must be of the batch being filled: nothing but emitter_node may turn in
 * between. */
bool emitter_sample(struct emitter *emitter, struct thread_record *record, uint32_t node,
                    uint32_t count, int64_t metric);

#endif
