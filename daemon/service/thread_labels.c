#include "daemon/service/thread_labels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/guard.h"
#include "daemon/aggregate/batch.h"
#include "daemon/decode/text.h"
#include "daemon/python/native_id.h"
#include "daemon/python/thread_names.h"

enum {
    NAMED_INTERPRETERS_MAX = 64, /* threads of further interpreters are shown by their tids */
    CALIBRATION_THREADS = 64,
    TID_DIGITS = 12,
};

struct interpreter_names {
    uint64_t interpreter; /* address; 0: not in use */
    struct thread_names *names;
    bool used;  /* by the update under way */
    bool fresh; /* as of that update */
};

struct thread_labels {
    const struct process *process;
    struct threads threads;
    struct interpreter_names interpreters[NAMED_INTERPRETERS_MAX];
    bool calibrated;    /* to 3.10: native_at is known */
    uint32_t native_at; /* of the thread id in the libc's struct pthread */
};

enum status thread_labels_create(const struct process *process, struct thread_labels **out) {
    struct thread_labels *labels = calloc(1, sizeof *labels);
    if (labels == NULL) {
        return STATUS_NOMEM;
    }
    labels->process = process;
    labels->threads = THREADS_NONE;
    *out = labels;
    return STATUS_OK;
}

void thread_labels_destroy(struct thread_labels *labels) {
    if (labels == NULL) {
        return;
    }
    for (unsigned i = 0; i < NAMED_INTERPRETERS_MAX; i++) {
        thread_names_destroy(labels->interpreters[i].names);
    }
    threads_deinit(&labels->threads);
    free(labels);
}

const struct threads *thread_labels_kernel_threads(const struct thread_labels *labels) {
    return &labels->threads;
}

/* To 3.10: learns where the libc keeps a thread's id. With one thread there is nothing to learn. */
static void native_learn(struct thread_labels *labels, const struct memory *memory,
                         const struct thread_table *threads) {
    uint64_t pthreads[CALIBRATION_THREADS];
    size_t count = 0;
    GUARD_FREE pid_t *tids = calloc(labels->threads.count + 1, sizeof *tids);
    if (tids == NULL) {
        return;
    }
    for (size_t i = 0; i < labels->threads.count; i++) {
        tids[i] = labels->threads.items[i].own_tid;
    }
    for (uint32_t i = 0; i < threads->count && count < CALIBRATION_THREADS; i++) {
        pthreads[count++] = threads->records[i]->pthread;
    }
    labels->calibrated = native_id_calibrate(memory, pthreads, count, tids, labels->threads.count,
                                             &labels->native_at) == STATUS_OK;
}

/* Whether the record's thread state is still there, of the same thread. What is freed often keeps
 * its bytes, so the one before it in its list, or the list's head, has to lead to it. */
static bool is_alive(const struct memory *memory, const struct py_layout *layout,
                     const struct thread_record *record) {
    GUARD_FREE uint8_t *state = malloc(layout->thread.size);
    uint64_t listed = 0;
    if (state == NULL ||
        memory_read(memory, raddr_make(record->state), state, layout->thread.size) != STATUS_OK ||
        !thread_record_is_same(record, layout, state)) {
        return false;
    }
    uint64_t prev = image_word(state + layout->thread.prev, layout->word_size);
    uint64_t at = prev == 0 ? record->interpreter + layout->interpreter.threads_head
                            : prev + layout->thread.next;
    return memory_read_word(memory, raddr_make(at), &listed) == STATUS_OK &&
           listed == record->state;
}

/* To 3.10: the thread's id in its own namespace, 0 if it cannot be told. A pthread_t is used again
 * as soon as its thread has ended: the id that stands there is this thread's if it lives on. */
static uint64_t native_find(struct thread_labels *labels, const struct memory *memory,
                            const struct py_layout *layout, const struct thread_record *record) {
    pid_t tid = 0;
    if (labels->threads.count == 1) {
        tid = labels->threads.items[0].own_tid;
    } else if (!labels->calibrated ||
               native_id_read(memory, labels->native_at, record->pthread, &tid) != STATUS_OK) {
        return 0;
    }
    return is_alive(memory, layout, record) ? (uint64_t)tid : 0;
}

/* Finds the kernel threads of records that have none yet. */
static void natives_find(struct thread_labels *labels, const struct memory *memory,
                         const struct py_layout *layout, struct thread_table *threads) {
    bool pthread_only = layout->thread.native_thread_id == LAYOUT_ABSENT;
    for (uint32_t i = 0; i < threads->count; i++) {
        struct thread_record *record = threads->records[i];
        if (record->tid != 0 || !record->bound) {
            continue;
        }
        if (pthread_only && !labels->calibrated && labels->threads.count > 1) {
            native_learn(labels, memory, threads);
        }
        if (pthread_only) {
            record->native = native_find(labels, memory, layout, record);
        }
        const struct kernel_thread *thread =
            record->native > 0 && record->native <= INT32_MAX
                ? threads_find_own(&labels->threads, (pid_t)record->native)
                : NULL;
        record->tid = thread == NULL ? 0 : thread->tid;
    }
}

/* The names of an interpreter's threads; NULL where none are kept. */
static struct interpreter_names *names_of(struct thread_labels *labels, uint64_t interpreter) {
    struct interpreter_names *unused = NULL;
    for (unsigned i = 0; i < NAMED_INTERPRETERS_MAX; i++) {
        struct interpreter_names *names = &labels->interpreters[i];
        if (names->interpreter == interpreter) {
            return names;
        }
        if (names->interpreter == 0 && unused == NULL) {
            unused = names;
        }
    }
    if (unused == NULL || thread_names_create(&unused->names) != STATUS_OK) {
        return NULL;
    }
    unused->interpreter = interpreter;
    return unused;
}

/* Reads the names of every interpreter that has threads, and forgets those of others. */
static void names_refresh(struct thread_labels *labels, const struct memory *memory,
                          const struct py_layout *layout, const struct thread_table *threads,
                          bool all) {
    uint32_t nameless = 0;
    bool natives = true;
    for (uint32_t i = 0; i < threads->count; i++) {
        nameless += threads->records[i]->named ? 0 : 1;
        natives = natives && (threads->records[i]->native > 0 || !threads->records[i]->bound);
    }
    for (uint32_t i = 0; i < threads->count; i++) {
        struct interpreter_names *names = names_of(labels, threads->records[i]->interpreter);
        if (names != NULL && !names->used) {
            names->used = true;
            /* Where it fails the names of before stay. */
            struct raddr interpreter = raddr_make(names->interpreter);
            enum status status =
                all || !natives
                    ? thread_names_refresh(names->names, memory, layout, interpreter)
                    : thread_names_extend(names->names, memory, layout, interpreter, nameless);
            names->fresh = status == STATUS_OK;
        }
    }
    for (unsigned i = 0; i < NAMED_INTERPRETERS_MAX; i++) {
        struct interpreter_names *names = &labels->interpreters[i];
        if (names->interpreter != 0 && !names->used) {
            thread_names_destroy(names->names);
            *names = (struct interpreter_names){.interpreter = 0};
        }
        names->used = false;
    }
}

/* The name that an interpreter has for the thread; NULL if none. Where the kernel's id is not known
 * the ident alone has to tell, and another thread's may be left from before. */
static const struct thread_name *name_in(const struct interpreter_names *names,
                                         const struct thread_record *record, bool main_thread) {
    int64_t native = record->native > 0 ? (int64_t)record->native : -1;
    return native < 0 && !names->fresh
               ? NULL
               : thread_names_find(names->names, record->pthread, native, main_thread);
}

/* The thread's name by Python's account, from its own interpreter's list or the first one's: a
 * thread that runs in a subinterpreter is often known to the interpreter that started it only. */
static const struct thread_name *name_find(struct thread_labels *labels,
                                           const struct memory *memory,
                                           const struct py_layout *layout,
                                           const struct thread_record *record) {
    bool main_thread = record->tid != 0 && record->tid == labels->process->pid;
    const struct interpreter_names *own = names_of(labels, record->interpreter);
    const struct thread_name *name =
        own == NULL || !record->bound ? NULL : name_in(own, record, main_thread);
    for (unsigned i = 0; i < NAMED_INTERPRETERS_MAX && record->bound && name == NULL; i++) {
        if (labels->interpreters[i].interpreter != 0) {
            name = name_in(&labels->interpreters[i], record, main_thread);
        }
    }
    return name == NULL || record->native > 0 || is_alive(memory, layout, record) ? name : NULL;
}

/* Writes what stands in the place of a name. */
static void number_write(const struct thread_labels *labels, const struct thread_record *record,
                         char *out, size_t capacity) {
    if (record->tid != 0 && record->tid == labels->process->pid) {
        /* A program that never imports threading has no names; what Python would call it is known.
         */
        (void)snprintf(out, capacity, "MainThread");
    } else if (record->tid != 0) {
        (void)snprintf(out, capacity, "%d", record->tid);
    } else {
        (void)snprintf(out, capacity, "%" PRIu64, record->pthread);
    }
}

void thread_labels_begin(const struct thread_labels *labels, struct thread_table *threads) {
    char text[BATCH_LABEL_MAX];
    for (uint32_t i = 0; i < threads->count; i++) {
        if (threads->records[i]->label == NULL) {
            number_write(labels, threads->records[i], text, sizeof text);
            threads->records[i]->label = strdup(text);
        }
    }
}

struct labelled {
    struct thread_record *record;
    char *label;
    bool named;
};

/* Writes the label that the thread has by itself: its name, or a number. */
static void label_write(struct thread_labels *labels, const struct memory *memory,
                        const struct py_layout *layout, struct labelled *out) {
    const struct thread_name *name = name_find(labels, memory, layout, out->record);
    out->named = name != NULL && name->length > 0;
    if (out->named) {
        (void)text_from_unicode(name->kind, name->text, name->length, TEXT_THREAD, out->label,
                                BATCH_LABEL_MAX);
    } else {
        number_write(labels, out->record, out->label, BATCH_LABEL_MAX);
    }
}

static int labelled_compare(const void *a, const void *b) {
    return strcmp(((const struct labelled *)a)->label, ((const struct labelled *)b)->label);
}

/* Gives the record its new label, followed by its tid where it shares it. The number that it went
 * by until a name was found was never more than a stand-in, so the name is for the samples of
 * before, too; but what was shown under a name stays. */
static void label_set(const struct labelled *labelled, bool shared) {
    struct thread_record *record = labelled->record;
    const char *label = labelled->label;
    char text[BATCH_LABEL_MAX];
    if (shared && record->tid != 0) {
        (void)snprintf(text, sizeof text, "%.*s-%d", BATCH_LABEL_MAX - 1 - TID_DIGITS, label,
                       record->tid);
    } else {
        (void)snprintf(text, sizeof text, "%s", label);
    }
    if (record->label != NULL && strcmp(record->label, text) == 0) {
        return;
    }
    char *copy = strdup(text);
    if (copy != NULL) {
        free(record->label);
        record->label = copy;
        if (!record->named) {
            record->late = true;
        } else {
            record->batch_thread = BATCH_FULL;
        }
        record->named = labelled->named;
    }
}

/* Labels all threads; how many have no name. Names are compared in their order, so that those
 * shared stand side by side. */
static uint32_t labels_set(struct thread_labels *labels, const struct memory *memory,
                           const struct py_layout *layout, struct thread_table *threads) {
    uint32_t count = threads->count;
    GUARD_FREE struct labelled *all = calloc(count + 1, sizeof *all);
    GUARD_FREE char *texts = malloc((size_t)count * BATCH_LABEL_MAX + 1);
    uint32_t nameless = 0;
    if (all == NULL || texts == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        all[i].record = threads->records[i];
        all[i].label = texts + (size_t)i * BATCH_LABEL_MAX;
        label_write(labels, memory, layout, &all[i]);
        nameless += all[i].named ? 0 : 1;
    }
    qsort(all, count, sizeof *all, labelled_compare);
    for (uint32_t i = 0; i < count; i++) {
        bool shared = (i > 0 && strcmp(all[i].label, all[i - 1].label) == 0) ||
                      (i + 1 < count && strcmp(all[i].label, all[i + 1].label) == 0);
        label_set(&all[i], shared);
    }
    return nameless;
}

uint32_t thread_labels_update(struct thread_labels *labels, const struct memory *memory,
                              const struct py_layout *layout, struct thread_table *threads,
                              bool all) {
    /* Where the list cannot be had, the one of before has to do. */
    (void)!threads_list(labels->process, &labels->threads);
    natives_find(labels, memory, layout, threads);
    names_refresh(labels, memory, layout, threads, all);
    return labels_set(labels, memory, layout, threads);
}
