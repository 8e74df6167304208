/* HOT: no allocation, lock, log or system call; emitter_turn, once a batch, wakes the writer. */
#include "daemon/service/emitter.h"

#include "daemon/service/thread_account.h"

enum { BATCH_NS = 500 * 1000 * 1000 };

void emitter_init(struct emitter *emitter, struct handover *handover, struct code_cache *codes,
                  struct thread_table *threads, int32_t pid) {
    *emitter = (struct emitter){
        .handover = handover,
        .codes = codes,
        .threads = threads,
        .pid = pid,
    };
}

/* Nothing of the last batch is valid in the next one. Stacks forget what they were, so that every
 * code that is in use is looked up, and so marked as used, in each batch. */
static void threads_forget(struct thread_table *threads) {
    for (uint32_t i = 0; i < threads->count; i++) {
        struct thread_record *record = threads->records[i];
        record->batch_thread = BATCH_FULL;
        record->node_count = 0;
        record->stack.last_depth = 0;
        if (record->account != NULL) {
            thread_account_turn(record->account);
        }
    }
}

/* `written`: batches written as of before the last one was given away. A stack at hand may still
 * name codes that were replaced while that one was being filled, so they must not be freed yet. */
static void emitter_begin(struct emitter *emitter, uint64_t written, uint64_t now_ns) {
    emitter->batch = handover_take_empty(emitter->handover);
    if (emitter->batch != NULL) {
        emitter->since_ns = now_ns;
        code_cache_epoch(emitter->codes, handover_given(emitter->handover), written);
        threads_forget(emitter->threads);
    }
}

void emitter_turn(struct emitter *emitter, uint64_t now_ns) {
    uint64_t written = handover_written(emitter->handover);
    emitter_finish(emitter);
    emitter_begin(emitter, written, now_ns);
}

void emitter_finish(struct emitter *emitter) {
    if (emitter->batch != NULL) {
        handover_give_full(emitter->handover, emitter->batch);
        emitter->batch = NULL;
    }
}

static bool batch_is_due(const struct emitter *emitter, uint64_t now_ns) {
    return now_ns - emitter->since_ns >= BATCH_NS;
}

void emitter_flush(struct emitter *emitter, uint64_t now_ns) {
    if (emitter->batch != NULL && emitter->batch->sample_count > 0 &&
        batch_is_due(emitter, now_ns)) {
        emitter_turn(emitter, now_ns);
    }
}

bool emitter_ready(struct emitter *emitter, uint64_t now_ns) {
    if (emitter->batch == NULL) {
        emitter_begin(emitter, handover_written(emitter->handover), now_ns);
    } else if (batch_is_due(emitter, now_ns)) {
        emitter_turn(emitter, now_ns);
    }
    return emitter->batch != NULL;
}

void emitter_relabel(struct emitter *emitter) {
    for (uint32_t i = 0; i < emitter->threads->count; i++) {
        struct thread_record *record = emitter->threads->records[i];
        if (record->late && emitter->batch != NULL && record->batch_thread != BATCH_FULL &&
            !batch_relabel(emitter->batch, record->batch_thread, record->label)) {
            record->batch_thread = BATCH_FULL; /* at least from now on */
        }
        record->late = false;
    }
}

/* Registers the thread and finds the nodes of its frames. BATCH_FULL when the batch has no room. */
static uint32_t stack_node(struct batch *batch, struct thread_record *record, int32_t pid,
                           bool torn) {
    if (record->batch_thread == BATCH_FULL) {
        const char *label = record->label == NULL ? "" : record->label;
        record->batch_thread = batch_thread(batch, pid, record->interpreter_id, label);
        if (record->batch_thread == BATCH_FULL) {
            return BATCH_FULL;
        }
    }
    const struct stack *stack = &record->stack;
    uint32_t i = record->node_count < stack->depth ? record->node_count : stack->depth;
    uint32_t node = i > 0 ? record->nodes[i - 1] : BATCH_EMPTY_STACK;
    for (; i < stack->depth; i++) {
        const struct frame *frame = &stack->frames[i];
        if (!frame->code->hidden) {
            node = batch_child(batch, node, frame->code, frame->unit);
            if (node == BATCH_FULL) {
                record->node_count = 0;
                return BATCH_FULL;
            }
        }
        record->nodes[i] = node;
    }
    record->node_count = stack->depth;
    return torn || stack->cut ? batch_child(batch, node, NULL, 0) : node;
}

uint32_t emitter_node(struct emitter *emitter, struct thread_record *record, bool torn,
                      uint64_t now_ns) {
    if (emitter->batch == NULL) {
        return BATCH_FULL;
    }
    uint32_t node = stack_node(emitter->batch, record, emitter->pid, torn);
    if (node == BATCH_FULL) {
        emitter_turn(emitter, now_ns);
        if (emitter->batch != NULL) {
            node = stack_node(emitter->batch, record, emitter->pid, torn);
        }
    }
    return node;
}

bool emitter_sample(struct emitter *emitter, struct thread_record *record, uint32_t node,
                    uint32_t count, int64_t metric) {
    return batch_sample(emitter->batch, record->batch_thread, node, count, metric);
}
