/* HOT: no allocation, lock, log or system call, except in what scans the lists, which is cold. */
#include "daemon/service/thread_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/guard.h"
#include "daemon/decode/chain_memory.h"

enum {
    STACK_DEPTH_FIRST = 128,
    WATCH_SHARE = 8, /* one list in so many is watched at a time */
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
    free(table->interpreters);
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

static enum status interpreter_append(struct thread_table *table, uint64_t address,
                                      uint64_t threads_head) {
    if (table->interpreter_count == table->interpreter_capacity) {
        uint32_t capacity = table->interpreter_capacity == 0 ? 4 : table->interpreter_capacity * 2;
        struct interpreter_record *interpreters =
            realloc(table->interpreters, capacity * sizeof *interpreters);
        if (interpreters == NULL) {
            return STATUS_NOMEM;
        }
        table->interpreters = interpreters;
        table->interpreter_capacity = capacity;
    }
    table->interpreters[table->interpreter_count++] =
        (struct interpreter_record){.address = address, .threads_head = threads_head};
    return STATUS_OK;
}

/* The ids that a thread state holds of its thread, by PyThread_get_thread_ident and by the kernel,
 * which are not its own from the first: the thread that starts another one makes the other's state,
 * with its own ids in it (to 3.11) or none, until the new thread runs (new_threadstate and
 * bind_tstate in Python/pystate.c, thread_run in Modules/_threadmodule.c, 3.8 to 3.15). */
struct thread_ids {
    uint64_t pthread, native; /* `native` is 0 where the layout has none */
};

static struct thread_ids ids_of(const struct py_layout *layout, const uint8_t *state) {
    bool has_native = layout->thread.native_thread_id != LAYOUT_ABSENT;
    return (struct thread_ids){
        .pthread = image_word(state + layout->thread.thread_id, layout->word_size),
        .native =
            has_native ? image_word(state + layout->thread.native_thread_id, layout->word_size) : 0,
    };
}

static bool ids_are_of(const struct thread_ids *ids, const struct py_layout *layout,
                       const struct thread_record *record) {
    return ids->pthread == record->pthread &&
           (layout->thread.native_thread_id == LAYOUT_ABSENT || ids->native == record->native);
}

/* Whether the ids are the thread's own. Of the two, the kernel's is written last. Ids that an older
 * state of the same interpreter has are those of this one's maker. */
static bool ids_are_own(const struct thread_table *table, const struct py_layout *layout,
                        const struct thread_record *record) {
    bool has_native = layout->thread.native_thread_id != LAYOUT_ABSENT;
    if (record->pthread == 0 || (has_native && record->native == 0)) {
        return false;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        const struct thread_record *other = table->records[i];
        if (other->interpreter == record->interpreter && other->state_id < record->state_id &&
            (has_native ? other->native == record->native : other->pthread == record->pthread)) {
            return false;
        }
    }
    return true;
}

/* Finds out which of the records are of threads that have begun to run. Bound once is bound until
 * the ids change. */
static void table_bind(struct thread_table *table, const struct py_layout *layout) {
    for (uint32_t i = 0; i < table->count; i++) {
        struct thread_record *record = table->records[i];
        record->bound = record->bound || ids_are_own(table, layout, record);
    }
}

/* Gives the record these ids. What is known of the thread that it had been taken for is forgotten:
 * its kernel thread, its label, and what is attached to it. */
static void ids_set(struct thread_table *table, const struct py_layout *layout,
                    struct thread_record *record, const struct thread_ids *ids, bool *changed) {
    if (ids_are_of(ids, layout, record)) {
        return;
    }
    table->release(table->owner, record);
    free(record->label);
    record->account = NULL;
    record->label = NULL;
    record->named = false;
    record->bound = false;
    record->batch_thread = UINT32_MAX;
    record->tid = 0;
    record->pthread = ids->pthread;
    record->native = ids->native;
    *changed = true;
}

/* Notes the thread state whose bytes are given; a record is made if it is new. */
static enum status state_note(struct thread_table *table, const struct py_layout *layout,
                              uint64_t address, const uint8_t *bytes, uint64_t interpreter,
                              int64_t interpreter_id, uint32_t place, uint64_t now_ns,
                              bool *changed) {
    const struct thread_ids ids = ids_of(layout, bytes);
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
        record->pthread = ids.pthread;
        record->native = ids.native;
        table->found++;
        *changed = true;
    }
    record->seen = true;
    record->place = place;
    record->state_id = id;
    record->interpreter = interpreter;
    record->interpreter_id = interpreter_id;
    ids_set(table, layout, record, &ids, changed);
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
    table->interpreter_count = 0;
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
            status = interpreter_append(table, interpreter, view.threads_head);
        }
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
    table_bind(table, layout);
    return STATUS_OK;
}

/* The address of the head of list `i`: 0 is the interpreters', the others their thread states'. */
static struct raddr head_address(const struct thread_table *table, const struct py_layout *layout,
                                 struct raddr runtime, uint32_t i) {
    return i == 0
               ? raddr_add(runtime, layout->runtime.interpreters_head)
               : raddr_make(table->interpreters[i - 1].address + layout->interpreter.threads_head);
}

static uint64_t head_expected(const struct thread_table *table, uint32_t i) {
    if (i == 0) {
        return table->interpreter_count == 0 ? 0 : table->interpreters[0].address;
    }
    return table->interpreters[i - 1].threads_head;
}

static uint32_t lists_count(const struct thread_table *table) {
    return 1 + table->interpreter_count;
}

void thread_table_watch(struct thread_table *table, const struct py_layout *layout,
                        struct raddr runtime, struct picture *picture) {
    uint32_t lists = lists_count(table);
    uint32_t wanted = 1 + (lists - 1) / WATCH_SHARE;
    table->watched = (table->watched + table->watched_count) % lists;
    table->watched_span = picture->count;
    for (table->watched_count = 0; table->watched_count < wanted; table->watched_count++) {
        uint32_t list = (table->watched + table->watched_count) % lists;
        if (picture_add(picture, head_address(table, layout, runtime, list), layout->word_size) ==
            PICTURE_FULL) {
            break;
        }
    }
}

/* The state of record `j`, if there is one and it is in the same list as record `i`; else 0. */
static uint64_t neighbour(const struct thread_table *table, uint32_t i, uint32_t j) {
    return j < table->count && table->records[j]->interpreter == table->records[i]->interpreter
               ? table->records[j]->state
               : 0;
}

bool thread_record_is_same(const struct thread_record *record, const struct py_layout *layout,
                           const uint8_t *state) {
    const struct thread_ids ids = ids_of(layout, state);
    uint64_t id;
    memcpy(&id, state + layout->thread.id, sizeof id);
    return id == record->state_id && ids_are_of(&ids, layout, record) &&
           image_word(state + layout->thread.interp, layout->word_size) == record->interpreter;
}

/* Whether a thread state of the picture is what it was, of the same thread, and stands between
 * these two in its list.
 */
static bool state_is_between(const struct thread_record *record, const struct py_layout *layout,
                             const struct picture *picture, uint64_t prev, uint64_t next) {
    const unsigned w = layout->word_size;
    if (record->first_span == PICTURE_FULL) {
        return true; /* seen in pictures of its own; its neighbours and the head tell of it here */
    }
    if (picture->spans[record->first_span].got < layout->thread.size) {
        return false;
    }
    const uint8_t *state = picture_span_bytes(picture, record->first_span);
    return thread_record_is_same(record, layout, state) &&
           image_word(state + layout->thread.prev, w) == prev &&
           image_word(state + layout->thread.next, w) == next;
}

bool thread_table_has_changed(const struct thread_table *table, const struct py_layout *layout,
                              const struct picture *picture, bool heads) {
    for (uint32_t i = 0; heads && i < table->watched_count; i++) {
        uint32_t span = table->watched_span + i;
        uint32_t list = (table->watched + i) % lists_count(table);
        if (picture->spans[span].got < layout->word_size ||
            image_word(picture_span_bytes(picture, span), layout->word_size) !=
                head_expected(table, list)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < table->count; i++) {
        if (!state_is_between(table->records[i], layout, picture, neighbour(table, i, i - 1),
                              neighbour(table, i, i + 1))) {
            return true;
        }
    }
    return false;
}
