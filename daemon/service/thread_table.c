#include "daemon/service/thread_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/guard.h"
#include "daemon/decode/chain_memory.h"

enum {
    STACK_DEPTH_FIRST = 128,
    CHECKED_INTERPRETERS_MAX = 64, /* with more, every check is followed by a scan */
};

/* Offsets within an interpreter state can be large; what is needed lies close together. */
struct interpreter_view {
    uint64_t next, threads_head;
    int64_t id;
};

void thread_table_init(struct thread_table *table, thread_record_release *release, void *owner) {
    *table = (struct thread_table){.release = release, .owner = owner};
}

static void record_destroy(struct thread_table *table, struct thread_record *record) {
    if (record == NULL) {
        return;
    }
    table->release(table->owner, record);
    thread_plan_deinit(&record->plan);
    free(record->label);
    chain_memory_destroy(record->stack.chain);
    free(record->stack.frames);
    free(record->nodes);
    free(record);
}

void thread_table_deinit(struct thread_table *table) {
    for (uint32_t i = 0; i < table->count; i++) {
        record_destroy(table, table->records[i]);
    }
    free(table->records);
    thread_table_init(table, table->release, table->owner);
}

enum status thread_record_reserve(struct thread_record *record, uint32_t depth) {
    if (depth <= record->stack.capacity) {
        return STATUS_OK;
    }
    struct frame *frames = realloc(record->stack.frames, depth * sizeof *frames);
    if (frames == NULL) {
        return STATUS_NOMEM;
    }
    record->stack.frames = frames;
    uint32_t *nodes = realloc(record->nodes, depth * sizeof *nodes);
    if (nodes == NULL) {
        return STATUS_NOMEM;
    }
    record->nodes = nodes;
    record->stack.capacity = depth;
    return STATUS_OK;
}

static struct thread_record *record_create(struct thread_table *table, uint64_t state,
                                           uint64_t now_ns) {
    struct thread_record *record = calloc(1, sizeof *record);
    if (record == NULL) {
        return NULL;
    }
    record->state = state;
    record->last_ns = now_ns;
    record->batch_thread = UINT32_MAX;
    thread_plan_init(&record->plan, raddr_make(state));
    if (thread_record_reserve(record, STACK_DEPTH_FIRST) != STATUS_OK) {
        record_destroy(table, record);
        return NULL;
    }
    return record;
}

static enum status interpreter_read(const struct memory *memory, const struct py_layout *layout,
                                    uint64_t address, struct interpreter_view *out) {
    uint64_t id = 0;
    enum status status =
        memory_read_word(memory, raddr_make(address + layout->interpreter.next), &out->next);
    if (status == STATUS_OK) {
        status = memory_read_word(memory, raddr_make(address + layout->interpreter.threads_head),
                                  &out->threads_head);
    }
    if (status == STATUS_OK) {
        status = memory_read(memory, raddr_make(address + layout->interpreter.id), &id, sizeof id);
    }
    out->id = (int64_t)id;
    return status;
}

static struct thread_record *table_find(const struct thread_table *table, uint64_t state,
                                        uint64_t state_id) {
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->records[i]->state == state && table->records[i]->state_id == state_id) {
            return table->records[i];
        }
    }
    return NULL;
}

static enum status table_append(struct thread_table *table, struct thread_record *record) {
    if (table->count == table->capacity) {
        uint32_t capacity = table->capacity == 0 ? 16 : table->capacity * 2;
        struct thread_record **records = realloc(table->records, capacity * sizeof *table->records);
        if (records == NULL) {
            return STATUS_NOMEM;
        }
        table->records = records;
        table->capacity = capacity;
    }
    table->records[table->count++] = record;
    return STATUS_OK;
}

/* Notes the thread state whose bytes are given; a record is made if it is new. */
static enum status state_note(struct thread_table *table, const struct py_layout *layout,
                              uint64_t address, const uint8_t *bytes, uint64_t interpreter,
                              int64_t interpreter_id, uint32_t place, uint64_t now_ns,
                              bool *changed) {
    const unsigned w = layout->word_size;
    uint64_t id;
    memcpy(&id, bytes + layout->thread.id, sizeof id);
    struct thread_record *record = table_find(table, address, id);
    if (record == NULL) {
        record = record_create(table, address, now_ns);
        if (record == NULL) {
            return STATUS_NOMEM;
        }
        enum status status = table_append(table, record);
        if (status != STATUS_OK) {
            record_destroy(table, record);
            return status;
        }
        table->found++;
        *changed = true;
    }
    record->seen = true;
    record->place = place;
    record->state_id = id;
    record->interpreter = interpreter;
    record->interpreter_id = interpreter_id;
    record->pthread = image_word(bytes + layout->thread.thread_id, w);
    if (layout->thread.native_thread_id != LAYOUT_ABSENT) {
        record->native = image_word(bytes + layout->thread.native_thread_id, w);
    }
    return STATUS_OK;
}

static enum status interpreter_scan(struct thread_table *table, const struct memory *memory,
                                    const struct py_layout *layout, uint64_t address,
                                    const struct interpreter_view *view, uint64_t now_ns,
                                    uint32_t *budget, bool *changed) {
    GUARD_FREE uint8_t *bytes = malloc(layout->thread.size);
    if (bytes == NULL) {
        return STATUS_NOMEM;
    }
    for (uint64_t state = view->threads_head; state != 0;) {
        if (*budget == 0) {
            return STATUS_TORN;
        }
        --*budget;
        enum status status = memory_read(memory, raddr_make(state), bytes, layout->thread.size);
        if (status != STATUS_OK) {
            return status;
        }
        if (image_word(bytes + layout->thread.interp, layout->word_size) != address) {
            return STATUS_TORN; /* freed, or never a thread state of this interpreter */
        }
        status = state_note(table, layout, state, bytes, address, view->id,
                            THREAD_STATES_MAX - *budget, now_ns, changed);
        if (status != STATUS_OK) {
            return status;
        }
        state = image_word(bytes + layout->thread.next, layout->word_size);
    }
    return STATUS_OK;
}

static int record_compare(const void *a, const void *b) {
    uint32_t left = (*(struct thread_record *const *)a)->place;
    uint32_t right = (*(struct thread_record *const *)b)->place;
    return left < right ? -1 : left > right;
}

/* Frees the records that the scan did not see, and puts the others into the lists' order. */
static void table_sweep(struct thread_table *table, bool *changed) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->records[i]->seen) {
            table->records[kept++] = table->records[i];
        } else {
            record_destroy(table, table->records[i]);
            *changed = true;
        }
    }
    table->count = kept;
    if (kept > 1) {
        qsort(table->records, kept, sizeof *table->records, record_compare);
    }
}

enum status thread_table_scan(struct thread_table *table, const struct memory *memory,
                              const struct py_layout *layout, struct raddr runtime, uint64_t now_ns,
                              bool *changed) {
    *changed = false;
    for (uint32_t i = 0; i < table->count; i++) {
        table->records[i]->seen = false;
    }
    uint64_t interpreter = 0;
    uint32_t budget = THREAD_STATES_MAX;
    enum status status = memory_read_word(
        memory, raddr_add(runtime, layout->runtime.interpreters_head), &interpreter);
    for (unsigned n = 0; status == STATUS_OK && interpreter != 0; n++) {
        struct interpreter_view view = {0};
        if (n == INTERPRETERS_MAX) {
            return STATUS_TORN;
        }
        status = interpreter_read(memory, layout, interpreter, &view);
        if (status == STATUS_OK) {
            status = interpreter_scan(table, memory, layout, interpreter, &view, now_ns, &budget,
                                      changed);
        }
        interpreter = view.next;
    }
    if (status != STATUS_OK) {
        return status; /* records of threads not reached stay, until a scan comes through */
    }
    table_sweep(table, changed);
    return STATUS_OK;
}

/* Whether record `i` is the first of its interpreter's. */
static bool record_is_first(const struct thread_table *table, uint32_t i) {
    return i == 0 || table->records[i - 1]->interpreter != table->records[i]->interpreter;
}

enum status thread_table_check(const struct thread_table *table, const struct memory *memory,
                               const struct py_layout *layout, struct raddr runtime,
                               const struct picture *picture, bool *changed) {
    struct iovec heads[CHECKED_INTERPRETERS_MAX + 1];
    uint64_t values[CHECKED_INTERPRETERS_MAX + 1] = {0};
    const unsigned w = layout->word_size;
    unsigned count = 0;
    heads[count++].iov_base =
        (void *)(uintptr_t)raddr_add(runtime, layout->runtime.interpreters_head).v;
    for (uint32_t i = 0; i < table->count && count <= CHECKED_INTERPRETERS_MAX; i++) {
        if (record_is_first(table, i)) {
            heads[count++].iov_base = (void *)(uintptr_t)(table->records[i]->interpreter +
                                                          layout->interpreter.threads_head);
        }
    }
    *changed = count < 2 || count > CHECKED_INTERPRETERS_MAX;
    for (unsigned i = 0; i < count; i++) {
        heads[i].iov_len = w;
    }
    size_t got = 0;
    enum status status = memory_read_batch(memory, values, heads, count, &got);
    if (status != STATUS_OK || *changed) {
        return status;
    }
    const uint8_t *bytes = (const uint8_t *)values;
    *changed = got != (size_t)count * w || image_word(bytes, w) != table->records[0]->interpreter;
    bytes += w;
    for (uint32_t i = 0; i < table->count && !*changed; i++) {
        const struct thread_record *record = table->records[i];
        if (record_is_first(table, i)) {
            *changed = image_word(bytes, w) != record->state;
            bytes += w;
        }
        bool last = i + 1 == table->count || record_is_first(table, i + 1);
        if (record->first_span == PICTURE_FULL) {
            *changed = true; /* not part of the picture: look */
            break;
        }
        const struct span *span = &picture->spans[record->first_span];
        uint64_t next = last ? 0 : table->records[i + 1]->state;
        *changed = *changed || span->got < layout->thread.size ||
                   image_word(picture_span_bytes(picture, record->first_span) + layout->thread.next,
                              w) != next;
    }
    return STATUS_OK;
}
