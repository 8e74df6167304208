#include "daemon/service/where_scene.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/python/sync_layout.h"
#include "daemon/service/clock.h"
#include "daemon/service/thread_labels.h"
#include "daemon/service/thread_sampler.h"
#include "daemon/service/where_waits.h"

enum {
    ALL_SPANS = 64 * 1024,
    ALL_BYTES = 64 << 20,
    SCANS_MAX = 50, /* of the lists of threads, a pause apart */
    LOOKS_MAX = 20, /* for a stack that is torn */
    RUNNING_LOOKS = 4,
};

#define PAUSE_NS CLOCK_NS_PER_MS
#define SCENE_NS (300 * CLOCK_NS_PER_MS) /* for looks at what is torn, all threads together */

struct where_reader {
    const struct py_layout *layout;
    const struct sync_layout *sync;
    struct memory memory;
    struct code_cache *codes;
    struct thread_table table;
    struct thread_labels *labels;
    struct thread_sampler sampler;
    struct picture *picture;
    uint64_t gil, gil_of; /* from 3.12 on: where the GIL of this interpreter is */
};

static void record_release(void *owner, struct thread_record *record) {
    (void)owner;
    (void)record;
}

static void pause_briefly(void) {
    const struct timespec pause = clock_timespec(PAUSE_NS);
    (void)nanosleep(&pause, NULL);
}

static enum status reader_create(const struct process *process, const struct runtime *runtime,
                                 struct where_reader **out) {
    struct where_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return STATUS_NOMEM;
    }
    *out = reader; /* destroyed with the scene, however far this gets */
    reader->layout = &runtime->layout;
    reader->sync = sync_layout_find(reader->layout);
    reader->memory = (struct memory){.pid = process->pid, .word_size = runtime->layout.word_size};
    thread_table_init(&reader->table, record_release, NULL);
    if (reader->sync == NULL) {
        return STATUS_UNSUPPORTED;
    }
    enum status status = code_cache_create(&reader->codes);
    if (status == STATUS_OK) {
        status = thread_labels_create(process, &reader->labels);
    }
    if (status == STATUS_OK) {
        status = picture_create(ALL_SPANS, ALL_BYTES, &reader->picture);
    }
    if (status == STATUS_OK) {
        status = thread_sampler_init(&reader->sampler, &reader->memory, reader->layout,
                                     reader->codes, NULL);
    }
    return status;
}

static void reader_destroy(struct where_reader *reader) {
    if (reader == NULL) {
        return;
    }
    thread_sampler_deinit(&reader->sampler);
    picture_destroy(reader->picture);
    thread_labels_destroy(reader->labels);
    thread_table_deinit(&reader->table);
    code_cache_destroy(reader->codes);
    free(reader);
}

/* Finds the threads and their names. */
static enum status threads_find(struct where_reader *reader, struct raddr runtime) {
    bool changed = false;
    enum status status = STATUS_TORN;
    for (unsigned i = 0; i < SCANS_MAX && status == STATUS_TORN; i++) {
        if (i > 0) {
            pause_briefly();
        }
        status = thread_table_scan(&reader->table, &reader->memory, reader->layout, runtime,
                                   clock_now_ns(), &changed);
    }
    if (status == STATUS_OK) {
        (void)thread_labels_update(reader->labels, &reader->memory, reader->layout, &reader->table,
                                   true);
    }
    return status;
}

static bool status_ends(enum status status) {
    return status == STATUS_GONE || status == STATUS_DENIED;
}

/* Gets to know the stacks: each by pictures of its thread alone. */
static enum status stacks_learn(struct where_reader *reader) {
    for (uint32_t i = 0; i < reader->table.count; i++) {
        struct thread_record *record = reader->table.records[i];
        record->first_span = PICTURE_FULL;
        enum status status =
            thread_sampler_stack(&reader->sampler, record, reader->picture, clock_now_ns());
        if (status_ends(status)) {
            return status;
        }
    }
    return STATUS_OK;
}

/* Who has the GIL, by a picture's words. */
struct gil_words {
    uint32_t current_span; /* to 3.11 */
};

static bool state_has_gil(const struct where_reader *reader, const struct gil_words *words,
                          const struct thread_record *record) {
    const struct picture *picture = reader->picture;
    const struct sync_layout *sync = reader->sync;
    if (sync->thread.status != LAYOUT_ABSENT) {
        const struct span *span = &picture->spans[record->first_span];
        return record->first_span != PICTURE_FULL &&
               span->got >= sync->thread.status + sizeof(int32_t) &&
               ((uint32_t)image_int(picture_span_bytes(picture, record->first_span) +
                                    sync->thread.status) &
                sync->status_active) != 0;
    }
    return words->current_span != PICTURE_FULL &&
           picture->spans[words->current_span].got == reader->layout->word_size &&
           image_word(picture_span_bytes(picture, words->current_span),
                      reader->layout->word_size) == record->state;
}

/* Takes the picture of all threads. */
static enum status picture_all(struct where_reader *reader, struct raddr runtime,
                               struct gil_words *words) {
    struct picture *picture = reader->picture;
    words->current_span = PICTURE_FULL;
    picture_begin(picture);
    for (uint32_t i = 0; i < reader->table.count; i++) {
        struct thread_record *record = reader->table.records[i];
        record->first_span = thread_plan_add(&record->plan, reader->layout, picture);
        record->end_span = picture->count;
    }
    if (reader->sync->runtime.current != LAYOUT_ABSENT) {
        words->current_span = picture_add(
            picture, raddr_add(runtime, reader->sync->runtime.current), reader->layout->word_size);
    }
    return thread_sampler_picture(&reader->sampler, picture, clock_now_ns());
}

/* Finds the stack that the picture shows of a thread; from pictures of the thread alone if that
 * comes out torn, as long as there is time. */
static enum status stack_find(struct where_reader *reader, struct thread_record *record,
                              uint64_t deadline_ns, bool *torn) {
    enum status status =
        thread_sampler_stack(&reader->sampler, record, reader->picture, clock_now_ns());
    *torn = status == STATUS_TORN || record->stack.by_mismatch;
    for (unsigned i = 0; *torn && i < LOOKS_MAX && clock_now_ns() < deadline_ns; i++) {
        record->first_span = PICTURE_FULL;
        status = thread_sampler_stack(&reader->sampler, record, reader->picture, clock_now_ns());
        *torn = status == STATUS_TORN || record->stack.by_mismatch;
    }
    return status;
}

/* The address of an interpreter's GIL, which it may share with others; 0 if it cannot be read. */
static uint64_t gil_find(struct where_scene *scene, uint64_t interpreter) {
    struct where_reader *reader = scene->reader;
    const struct sync_layout *sync = reader->sync;
    if (sync->interpreter.gil == LAYOUT_ABSENT) {
        return scene->runtime->address.v + sync->runtime.gil;
    }
    struct raddr at = raddr_add(raddr_make(interpreter), sync->interpreter.gil);
    if (interpreter != reader->gil_of) {
        reader->gil_of = interpreter;
        reader->gil = 0;
        (void)!memory_read_word(&reader->memory, at, &reader->gil);
    }
    return reader->gil;
}

/* Whether a thread sleeps on the condition variable of its GIL. */
static bool is_at_gil(struct where_scene *scene, const struct where_thread *thread) {
    const struct where_reader *reader = scene->reader;
    uint64_t futex = 0;
    bool timed = false;
    return thread->known &&
           thread_activity_futex(&thread->activity, reader->layout->word_size, &futex, &timed) &&
           futex - gil_find(scene, thread->record->interpreter) < reader->sync->gil_size;
}

/* What the kernel says of the thread. One that was about to sleep, or is about to go on, runs for a
 * moment: one that seems to run without the GIL is looked at again. */
static void activity_take(struct where_scene *scene, struct where_thread *thread) {
    for (unsigned i = 0; i < RUNNING_LOOKS; i++) {
        thread->known = thread->tid != 0 && thread_activity_read(scene->process->dir, thread->tid,
                                                                 &thread->activity) == STATUS_OK;
        thread->wants_gil = !thread->holds_gil && is_at_gil(scene, thread);
        if (!thread->known || thread->holds_gil || thread->activity.state != 'R') {
            break;
        }
        (void)sched_yield();
    }
}

/* Adds the threads that run Python, in the order of the interpreter's lists, oldest first. */
static enum status threads_take(struct where_scene *scene) {
    struct where_reader *reader = scene->reader;
    struct gil_words words;
    enum status status = picture_all(reader, scene->runtime->address, &words);
    uint64_t deadline_ns = clock_now_ns() + SCENE_NS;
    if (status != STATUS_OK) {
        return status;
    }
    for (uint32_t i = reader->table.count; i-- > 0;) {
        struct thread_record *record = reader->table.records[i];
        struct where_thread thread = {
            .record = record, .place = i, .tid = record->tid, .holder = WAIT_GRAPH_NOBODY};
        thread.holds_gil = record->bound && state_has_gil(reader, &words, record);
        status = stack_find(reader, record, deadline_ns, &thread.torn);
        if (status_ends(status)) {
            return status;
        }
        if (status == STATUS_ABSENT || (!record->bound && record->stack.depth == 0)) {
            continue; /* it has ended, or not begun */
        }
        activity_take(scene, &thread);
        scene->threads[scene->count++] = thread;
    }
    return STATUS_OK;
}

static int by_tid(const void *a, const void *b) {
    pid_t left = *(const pid_t *)a;
    pid_t right = *(const pid_t *)b;
    return (left > right) - (left < right);
}

/* Adds the threads that run no Python. */
static void others_take(struct where_scene *scene, const struct threads *kernel) {
    uint32_t pythons = scene->count;
    pid_t *tids = calloc(pythons + 1, sizeof *tids);
    if (tids == NULL) {
        return;
    }
    for (uint32_t i = 0; i < pythons; i++) {
        tids[i] = scene->threads[i].tid;
    }
    qsort(tids, pythons, sizeof *tids, by_tid);
    for (size_t i = 0; i < kernel->count; i++) {
        struct where_thread thread = {.tid = kernel->items[i].tid, .holder = WAIT_GRAPH_NOBODY};
        if (bsearch(&thread.tid, tids, pythons, sizeof *tids, by_tid) == NULL &&
            thread_activity_read(scene->process->dir, thread.tid, &thread.activity) == STATUS_OK) {
            thread.known = true;
            scene->threads[scene->count++] = thread;
        }
    }
    free(tids);
}

static enum status scene_fill(struct where_scene *scene) {
    struct where_reader *reader = scene->reader;
    enum status status = threads_find(reader, scene->runtime->address);
    if (status == STATUS_OK) {
        status = stacks_learn(reader);
    }
    if (status != STATUS_OK) {
        return status;
    }
    const struct threads *kernel = thread_labels_kernel_threads(reader->labels);
    scene->threads = calloc(reader->table.count + kernel->count + 1, sizeof *scene->threads);
    if (scene->threads == NULL) {
        return STATUS_NOMEM;
    }
    status = threads_take(scene);
    if (status == STATUS_OK) {
        status = where_waits_find(scene);
    }
    if (status == STATUS_OK) {
        others_take(scene, kernel);
    }
    return status;
}

static enum status scene_failed(pid_t pid, enum status status, struct error *error) {
    switch (status) {
    case STATUS_GONE:
        return error_set(error, status, "process %d has ended", pid);
    case STATUS_TORN:
        return error_set(error, status,
                         "the lists of threads of process %d contradict themselves: it is just "
                         "starting or ending, or its memory is damaged; try again",
                         pid);
    default:
        return error_set(error, status, "cannot look at process %d: %s", pid,
                         status == STATUS_NOMEM ? "out of memory" : status_name(status));
    }
}

enum status where_scene_create(const struct process *process, const struct runtime *runtime,
                               struct where_scene **out, struct error *error) {
    struct where_scene *scene = calloc(1, sizeof *scene);
    if (scene == NULL) {
        return scene_failed(process->pid, STATUS_NOMEM, error);
    }
    scene->process = process;
    scene->runtime = runtime;
    enum status status = reader_create(process, runtime, &scene->reader);
    if (status == STATUS_OK) {
        status = scene_fill(scene);
    }
    if (status != STATUS_OK) {
        where_scene_destroy(scene);
        return scene_failed(process->pid, status, error);
    }
    *out = scene;
    return STATUS_OK;
}

void where_scene_destroy(struct where_scene *scene) {
    if (scene == NULL) {
        return;
    }
    reader_destroy(scene->reader);
    free(scene->threads);
    free(scene);
}

bool where_scene_look_again(struct where_scene *scene, struct where_thread *thread) {
    struct where_reader *reader = scene->reader;
    struct thread_record *record = reader->table.records[thread->place];
    record->first_span = PICTURE_FULL;
    return thread_sampler_stack(&reader->sampler, record, reader->picture, clock_now_ns()) ==
               STATUS_OK &&
           !record->stack.by_mismatch &&
           thread_activity_read(scene->process->dir, thread->tid, &thread->activity) == STATUS_OK;
}

const struct memory *where_scene_memory(const struct where_scene *scene) {
    return &scene->reader->memory;
}

uint64_t where_scene_age(const struct where_scene *scene) {
    struct timespec now = {.tv_sec = 0};
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t begun = scene->process->start_time / (uint64_t)sysconf(_SC_CLK_TCK);
    return (uint64_t)now.tv_sec > begun ? (uint64_t)now.tv_sec - begun : 0;
}

const char *where_thread_name(const struct where_thread *thread) {
    return thread->record != NULL && thread->record->label != NULL ? thread->record->label
                                                                   : thread->activity.comm;
}
