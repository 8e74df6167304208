/* HOT: tick() and what it calls make no system call but the reads, unless something new shows up.
 */
#include "daemon/service/sampler.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/service/clock.h"
#include "daemon/service/cpu_totals.h"
#include "daemon/service/emitter.h"
#include "daemon/service/label_schedule.h"
#include "daemon/service/punctual.h"
#include "daemon/service/thread_account.h"
#include "daemon/service/thread_labels.h"
#include "daemon/service/thread_sampler.h"
#include "daemon/service/thread_table.h"

enum {
    ALL_SPANS = 64 * 1024,
    ALL_BYTES = 64 << 20,
    WATCH_NS = 900 * 1000, /* the heads of the thread lists are read that often at most */
    SCAN_RESTS = 3,        /* no scan of the lists for so many times what the last one took */
    PATIENCE_NS = 1000 * 1000 * 1000, /* structures that make no sense for so long are corrupt */
    FAILURES_MIN = 4,                 /* and are not called so after fewer attempts */
    STOP_POLL_NS = 10 * 1000 * 1000,
    WARM_PASSES = 8,
};

struct sampler {
    const struct process *process;
    const struct runtime *runtime;
    const struct py_layout *layout;
    struct sampler_options options;
    struct memory memory;
    struct code_cache *codes;
    struct thread_table threads;
    struct thread_sampler thread_sampler;
    struct thread_labels *labels;
    struct cpu_totals *totals; /* CPU mode, else NULL */
    struct emitter emitter;
    struct picture *picture; /* of all threads */
    uint32_t planned_spans;  /* those of the threads' plans; heads of lists may follow */
    bool planned;            /* they are those of the threads there are */
    bool rescan;             /* the lists changed, or a thread state could not be read */
    uint64_t watch_due_ns, scan_due_ns;
    struct label_schedule label_schedule;
    uint64_t sane_ns;  /* when the structures last made sense */
    uint32_t failures; /* ticks in a row that failed since */

    atomic_bool stop;
    _Atomic uint64_t read_since;
    /* Written by the sampling thread only; relaxed reads from any other. */
    _Atomic uint64_t ticks, due, kept, torn, missed, late, errors, start_ns, end_ns;
    _Atomic uint64_t retries, found, cpu_native_us, cpu_unseen_us;
};

/* CPU time of this thread. */
static uint64_t cpu_now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void count_add(_Atomic uint64_t *count, uint64_t by) {
    uint64_t now = atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, now + by, memory_order_relaxed);
}

/* All threads of so many ticks. */
static void count_missed(struct sampler *sampler, uint64_t ticks) {
    count_add(&sampler->missed, ticks * sampler->threads.count);
    count_add(&sampler->due, ticks * sampler->threads.count);
}

static void count_set(_Atomic uint64_t *count, uint64_t value) {
    atomic_store_explicit(count, value, memory_order_relaxed);
}

/* A thread has ended. */
static void record_release(void *owner, struct thread_record *record) {
    struct sampler *sampler = owner;
    if (sampler->totals != NULL) {
        cpu_totals_retire(sampler->totals, record);
    }
    thread_account_destroy(record->account);
}

enum status sampler_create(const struct process *process, const struct runtime *runtime,
                           const struct sampler_options *options, struct handover *handover,
                           struct sampler **out, struct error *error) {
    struct sampler *sampler = calloc(1, sizeof *sampler);
    if (sampler == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    sampler->process = process;
    sampler->runtime = runtime;
    sampler->layout = &runtime->layout;
    sampler->options = *options;
    sampler->memory = (struct memory){.pid = process->pid, .word_size = runtime->layout.word_size};
    sampler->rescan = true;
    thread_table_init(&sampler->threads, record_release, sampler);
    enum status status = code_cache_create(&sampler->codes);
    if (status == STATUS_OK) {
        status = picture_create(ALL_SPANS, ALL_BYTES, &sampler->picture);
    }
    if (status == STATUS_OK) {
        status = thread_labels_create(process, &sampler->labels);
    }
    if (status == STATUS_OK && options->cpu) {
        status = cpu_totals_create(process, &sampler->totals);
    }
    if (status == STATUS_OK) {
        status = thread_sampler_init(&sampler->thread_sampler, &sampler->memory, sampler->layout,
                                     sampler->codes, options->link);
    }
    if (status != STATUS_OK) {
        sampler_destroy(sampler);
        return error_set(error, status, "cannot prepare to sample process %d: %s", process->pid,
                         status == STATUS_NOMEM ? "out of memory" : status_name(status));
    }
    emitter_init(&sampler->emitter, handover, sampler->codes, &sampler->threads, process->pid);
    *out = sampler;
    return STATUS_OK;
}

void sampler_destroy(struct sampler *sampler) {
    if (sampler == NULL) {
        return;
    }
    thread_sampler_deinit(&sampler->thread_sampler);
    thread_labels_destroy(sampler->labels);
    thread_table_deinit(&sampler->threads);
    cpu_totals_destroy(sampler->totals);
    picture_destroy(sampler->picture);
    code_cache_destroy(sampler->codes);
    free(sampler);
}

void sampler_stop(struct sampler *sampler) {
    atomic_store_explicit(&sampler->stop, true, memory_order_relaxed);
}

uint64_t sampler_read_since(const struct sampler *sampler) {
    return atomic_load_explicit(&sampler->read_since, memory_order_relaxed);
}

void sampler_counts(const struct sampler *sampler, struct sampler_counts *out) {
    *out = (struct sampler_counts){
        .ticks = atomic_load_explicit(&sampler->ticks, memory_order_relaxed),
        .due = atomic_load_explicit(&sampler->due, memory_order_relaxed),
        .kept = atomic_load_explicit(&sampler->kept, memory_order_relaxed),
        .torn = atomic_load_explicit(&sampler->torn, memory_order_relaxed),
        .missed = atomic_load_explicit(&sampler->missed, memory_order_relaxed),
        .late = atomic_load_explicit(&sampler->late, memory_order_relaxed),
        .errors = atomic_load_explicit(&sampler->errors, memory_order_relaxed),
        .retries = atomic_load_explicit(&sampler->retries, memory_order_relaxed),
        .threads = atomic_load_explicit(&sampler->found, memory_order_relaxed),
        .start_ns = atomic_load_explicit(&sampler->start_ns, memory_order_relaxed),
        .end_ns = atomic_load_explicit(&sampler->end_ns, memory_order_relaxed),
        .cpu_native_us = atomic_load_explicit(&sampler->cpu_native_us, memory_order_relaxed),
        .cpu_unseen_us = atomic_load_explicit(&sampler->cpu_unseen_us, memory_order_relaxed),
    };
}

void sampler_describe(const struct sampler *sampler, char *out, unsigned size) {
    unsigned used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < sampler->planned_spans && used < size; i++) {
        int n = snprintf(out + used, size - used, "%s%u", i == 0 ? "" : ",",
                         sampler->picture->spans[i].size);
        used += n > 0 ? (unsigned)n : size;
    }
}

/* Brings the threads and their labels up to date. Cold. */
static enum status threads_refresh(struct sampler *sampler, uint64_t now_ns) {
    bool changed = false;
    uint64_t begun_ns = clock_now_ns();
    enum status status = thread_table_scan(&sampler->threads, &sampler->memory, sampler->layout,
                                           sampler->runtime->address, now_ns, &changed);
    uint64_t rest_ns = SCAN_RESTS * (clock_now_ns() - begun_ns);
    sampler->scan_due_ns = begun_ns + (rest_ns < WATCH_NS ? rest_ns : WATCH_NS);
    if (status != STATUS_OK) {
        return status;
    }
    sampler->rescan = false;
    sampler->sane_ns = now_ns;
    sampler->planned = sampler->planned && !changed;
    count_set(&sampler->found, sampler->threads.found);
    if (changed) {
        label_schedule_changed(&sampler->label_schedule, now_ns);
        thread_labels_begin(sampler->labels, &sampler->threads);
    }
    return STATUS_OK;
}

/* CPU mode: opens accounts for new threads, and counts the time that is nobody's. */
static void cpu_refresh(struct sampler *sampler) {
    if (sampler->totals == NULL) {
        return;
    }
    uint64_t native_ns = 0;
    uint64_t unseen_ns = 0;
    cpu_totals_update(sampler->totals, thread_labels_kernel_threads(sampler->labels),
                      &sampler->threads);
    cpu_totals_get(sampler->totals, &sampler->threads, &native_ns, &unseen_ns);
    count_set(&sampler->cpu_native_us, native_ns / 1000);
    count_set(&sampler->cpu_unseen_us, unseen_ns / 1000);
}

/* Names the threads, and what the batch has of them. Cold. */
static void labels_refresh(struct sampler *sampler) {
    bool all = clock_now_ns() >= sampler->label_schedule.all_due_ns;
    uint64_t begun_ns = cpu_now_ns();
    uint32_t nameless = thread_labels_update(sampler->labels, &sampler->memory, sampler->layout,
                                             &sampler->threads, all);
    emitter_relabel(&sampler->emitter);
    cpu_refresh(sampler);
    label_schedule_looked(&sampler->label_schedule, clock_now_ns(), all, cpu_now_ns() - begun_ns,
                          nameless);
}

/* What has to be done now and then, before a picture: look for threads that came or went, and for
 * their names. Cold when something is due. */
static enum status housekeep(struct sampler *sampler, uint64_t now_ns) {
    enum status status = sampler->rescan ? threads_refresh(sampler, now_ns) : STATUS_OK;
    if (status == STATUS_OK && label_schedule_is_due(&sampler->label_schedule, now_ns)) {
        labels_refresh(sampler);
    }
    return status;
}

/* Whether the picture's spans are what the threads' plans ask for. */
static bool picture_is_planned(const struct sampler *sampler) {
    bool changed = !sampler->planned;
    for (uint32_t i = 0; i < sampler->threads.count && !changed; i++) {
        changed = sampler->threads.records[i]->plan.changed;
    }
    return !changed;
}

/* Plans the picture of all threads. Threads that do not fit any more are left out of it, and are
 * seen in pictures of their own. */
static void picture_plan(struct sampler *sampler) {
    picture_begin(sampler->picture);
    for (uint32_t i = 0; i < sampler->threads.count; i++) {
        struct thread_record *record = sampler->threads.records[i];
        record->first_span = thread_plan_add(&record->plan, sampler->layout, sampler->picture);
        record->end_span = sampler->picture->count;
        still_forget(&record->still);
    }
    sampler->planned_spans = sampler->picture->count;
    sampler->planned = true;
}

/* Takes the picture of all threads. It shows whether they are all, unless it has just been looked
 * for others: if not, what is new is learned, and another one taken. */
static enum status picture_all(struct sampler *sampler, uint64_t now_ns) {
    struct picture *picture = sampler->picture;
    bool watch = now_ns >= sampler->watch_due_ns;
    bool scan = now_ns >= sampler->scan_due_ns;
    if (!picture_is_planned(sampler)) {
        picture_plan(sampler);
    }
    picture_cut(picture, sampler->planned_spans);
    if (watch) {
        sampler->watch_due_ns = now_ns + WATCH_NS;
        thread_table_watch(&sampler->threads, sampler->layout, sampler->runtime->address, picture);
    }
    enum status status = thread_sampler_picture(&sampler->thread_sampler, picture, now_ns);
    if (status != STATUS_OK || !scan) {
        return status;
    }
    if (!thread_table_has_changed(&sampler->threads, sampler->layout, picture, watch)) {
        sampler->sane_ns = now_ns;
        return STATUS_OK;
    }
    sampler->rescan = true;
    status = housekeep(sampler, now_ns);
    if (status != STATUS_OK || picture_is_planned(sampler)) {
        return status;
    }
    picture_plan(sampler);
    return thread_sampler_picture(&sampler->thread_sampler, picture, now_ns);
}

/* Writes one sample of a thread. False when no batch takes it. */
static bool sample_emit(struct sampler *sampler, struct thread_record *record, bool torn,
                        uint64_t now_ns) {
    struct emitter *emitter = &sampler->emitter;
    uint32_t node = emitter_node(emitter, record, torn, now_ns);
    if (node == BATCH_FULL) {
        return false;
    }
    if (sampler->options.cpu) {
        return record->account == NULL || thread_account_sample(record, emitter, node, now_ns);
    }
    uint64_t ns = now_ns - record->last_ns + record->left_ns;
    if (!emitter_sample(emitter, record, node, 1, (int64_t)(ns / 1000))) {
        emitter_turn(emitter, now_ns);
        node = emitter_node(emitter, record, torn, now_ns);
        if (node == BATCH_FULL || !emitter_sample(emitter, record, node, 1, (int64_t)(ns / 1000))) {
            return false;
        }
    }
    record->left_ns = ns % 1000;
    record->last_ns = now_ns;
    return true;
}

/* One tick: a picture of all threads, and a sample of each. A thread that has ended has none, nor
 * one that has not begun to run. */
static enum status tick(struct sampler *sampler, uint64_t now_ns) {
    enum status status = picture_all(sampler, now_ns);
    if (status != STATUS_OK) {
        count_missed(sampler, 1);
        return status;
    }
    uint64_t kept = 0;
    uint64_t torn = 0;
    uint64_t due = 0;
    for (uint32_t i = 0; i < sampler->threads.count; i++) {
        struct thread_record *record = sampler->threads.records[i];
        status = thread_sampler_stack(&sampler->thread_sampler, record, sampler->picture, now_ns);
        if (status == STATUS_GONE || status == STATUS_DENIED) {
            break;
        }
        if (status == STATUS_ABSENT || (!record->bound && record->stack.depth == 0)) {
            sampler->rescan = sampler->rescan || status == STATUS_ABSENT;
            record->last_ns = now_ns;
            continue;
        }
        due++;
        bool whole = status == STATUS_OK && !record->stack.by_mismatch;
        if (sample_emit(sampler, record, !whole, now_ns)) {
            kept += whole ? 1 : 0;
            torn += whole ? 0 : 1;
        }
    }
    count_add(&sampler->kept, kept);
    count_add(&sampler->torn, torn);
    count_add(&sampler->missed, due - kept - torn);
    count_add(&sampler->due, due);
    count_set(&sampler->retries, sampler->thread_sampler.retries);
    return status == STATUS_GONE || status == STATUS_DENIED ? status : STATUS_OK;
}

/* Looks for the names of threads that came with the last tick, if that is due and does not make the
 * next one late. */
static void labels_catch(struct sampler *sampler, uint64_t now_ns) {
    const struct label_schedule *schedule = &sampler->label_schedule;
    if (schedule->waiting && label_schedule_is_due(schedule, now_ns)) {
        atomic_store_explicit(&sampler->read_since, now_ns, memory_order_relaxed);
        labels_refresh(sampler);
        atomic_store_explicit(&sampler->read_since, 0, memory_order_relaxed);
    }
}

/* When to wake next on the way to `due_ns`. */
static uint64_t wake_time(const struct sampler *sampler, uint64_t due_ns, uint64_t now_ns) {
    const struct label_schedule *schedule = &sampler->label_schedule;
    uint64_t wake_ns = due_ns - now_ns > STOP_POLL_NS ? now_ns + STOP_POLL_NS : due_ns;
    return schedule->waiting && schedule->due_ns < wake_ns ? schedule->due_ns : wake_ns;
}

/* Sleeps until `due_ns`, in steps, so that a stop is noticed, a batch goes out in time, and threads
 * get their names. The time then. */
static uint64_t wait_until(struct sampler *sampler, uint64_t due_ns) {
    uint64_t now_ns = clock_now_ns();
    while (now_ns < due_ns && !atomic_load_explicit(&sampler->stop, memory_order_relaxed)) {
        labels_catch(sampler, now_ns);
        uint64_t wake_ns = wake_time(sampler, due_ns, now_ns);
        struct timespec wake = clock_timespec(wake_ns);
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
        now_ns = clock_now_ns();
        shim_link_take(sampler->options.link, sampler->codes, now_ns); /* forks are not to wait */
        emitter_flush(&sampler->emitter, now_ns);
    }
    return now_ns;
}

/* Accounts for the ticks that went by unseen; the time at which the next one is due. */
static uint64_t ticks_account(struct sampler *sampler, uint64_t due_ns, uint64_t now_ns) {
    uint64_t interval = sampler->options.interval_ns;
    if (interval == 0) {
        count_add(&sampler->ticks, 1);
        return now_ns;
    }
    uint64_t behind = (now_ns - due_ns) / interval;
    count_add(&sampler->ticks, behind + 1);
    count_missed(sampler, behind);
    if (now_ns - due_ns > interval / 2) {
        count_add(&sampler->late, 1);
    }
    return due_ns + (behind + 1) * interval;
}

/* What a failed tick means for the session. OK: go on. */
static enum status failure_judge(struct sampler *sampler, enum status status, uint64_t now_ns,
                                 struct error *error) {
    int pid = sampler->process->pid;
    bool moved_on = status == STATUS_OK || status == STATUS_TORN || status == STATUS_GONE;
    count_add(&sampler->errors, moved_on ? 0 : 1);
    sampler->failures = status == STATUS_OK ? 0 : sampler->failures + 1;
    sampler->rescan = sampler->rescan || status != STATUS_OK;
    bool alive = status != STATUS_GONE || process_alive(sampler->process);
    switch (status) {
    case STATUS_GONE:
        /* While a process starts another program the kernel says so, too, of a living one. */
        if (!alive) {
            return error_set(error, STATUS_GONE, "process %d has ended", pid);
        }
        break;
    case STATUS_DENIED:
        return error_set(error, STATUS_DENIED,
                         "the memory of process %d may not be read any more: it has probably "
                         "started a program with other rights",
                         pid);
    case STATUS_NOMEM:
        return error_set(error, STATUS_NOMEM, "out of memory while sampling process %d", pid);
    default:
        break;
    }
    if (status != STATUS_OK && !process_same_program(sampler->process)) {
        return error_set(error, STATUS_GONE, "process %d runs another program now", pid);
    }
    if (sampler->failures >= FAILURES_MIN && now_ns - sampler->sane_ns > PATIENCE_NS) {
        return error_set(error, STATUS_CORRUPT,
                         "the interpreter's thread lists in process %d make no sense", pid);
    }
    return STATUS_OK;
}

/* Looks at the stacks without taking samples, until they are read whole WARM_PASSES times in a row:
 * where frames, code and generators lie is not known at first, and a stack that moves is read torn
 * while it is learned. What goes wrong shows at the first tick. */
static void warm_up(struct sampler *sampler) {
    const uint64_t end_ns = clock_now_ns() + sampler->options.warm_up_ns;
    uint64_t now_ns = clock_now_ns();
    for (unsigned whole = 0; whole < WARM_PASSES && now_ns < end_ns; now_ns = clock_now_ns()) {
        atomic_store_explicit(&sampler->read_since, now_ns, memory_order_relaxed);
        if (housekeep(sampler, now_ns) != STATUS_OK || picture_all(sampler, now_ns) != STATUS_OK) {
            break;
        }
        whole++;
        for (uint32_t i = 0; i < sampler->threads.count; i++) {
            struct thread_record *record = sampler->threads.records[i];
            enum status status =
                thread_sampler_stack(&sampler->thread_sampler, record, sampler->picture, now_ns);
            whole = status == STATUS_OK && !record->stack.by_mismatch ? whole : 0;
        }
        if (atomic_load_explicit(&sampler->stop, memory_order_relaxed)) {
            break;
        }
    }
    atomic_store_explicit(&sampler->read_since, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < sampler->threads.count; i++) {
        sampler->threads.records[i]->last_ns = now_ns;
    }
}

enum status sampler_run(struct sampler *sampler, struct error *error) {
    punctual_be();
    enum status status = STATUS_OK;
    if (sampler->options.warm_up_ns > 0) {
        warm_up(sampler);
    }
    uint64_t due_ns = clock_now_ns();
    sampler->sane_ns = due_ns;
    while (status == STATUS_OK) {
        uint64_t now_ns = wait_until(sampler, due_ns);
        if (atomic_load_explicit(&sampler->stop, memory_order_relaxed)) {
            break;
        }
        due_ns = ticks_account(sampler, due_ns, now_ns);
        atomic_store_explicit(&sampler->read_since, now_ns, memory_order_relaxed);
        status = housekeep(sampler, now_ns);
        if (!emitter_ready(&sampler->emitter, now_ns) || status != STATUS_OK) {
            count_missed(sampler, 1);
        } else {
            status = tick(sampler, now_ns);
            if (status == STATUS_OK) {
                if (atomic_load_explicit(&sampler->start_ns, memory_order_relaxed) == 0) {
                    count_set(&sampler->start_ns, now_ns);
                }
                count_set(&sampler->end_ns, now_ns);
            }
        }
        atomic_store_explicit(&sampler->read_since, 0, memory_order_relaxed);
        status = failure_judge(sampler, status, now_ns, error);
    }
    cpu_refresh(sampler);
    emitter_finish(&sampler->emitter);
    return status;
}
