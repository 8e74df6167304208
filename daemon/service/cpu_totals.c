#include "daemon/service/cpu_totals.h"

#include <stdlib.h>

#include "daemon/service/thread_account.h"

/* A kernel thread that no thread state was seen for. */
struct native {
    pid_t tid;
    uint64_t first_ns, last_ns;
    bool seen; /* by the update under way */
};

struct cpu_totals {
    const struct process *process;
    uint64_t base_ns, last_ns; /* of the whole process */
    struct native *natives;
    size_t count, capacity;
    uint64_t native_ended_ns; /* of natives that have ended, or have become Python threads */
    uint64_t retired_ns;      /* written for records that are gone */
};

enum status cpu_totals_create(const struct process *process, struct cpu_totals **out) {
    struct cpu_totals *totals = calloc(1, sizeof *totals);
    if (totals == NULL) {
        return STATUS_NOMEM;
    }
    totals->process = process;
    enum status status = process_cpu_time(process, &totals->base_ns);
    if (status != STATUS_OK) {
        free(totals);
        return status;
    }
    totals->last_ns = totals->base_ns;
    *out = totals;
    return STATUS_OK;
}

void cpu_totals_destroy(struct cpu_totals *totals) {
    if (totals != NULL) {
        free(totals->natives);
        free(totals);
    }
}

static struct native *native_find(struct cpu_totals *totals, pid_t tid) {
    for (size_t i = 0; i < totals->count; i++) {
        if (totals->natives[i].tid == tid) {
            return &totals->natives[i];
        }
    }
    return NULL;
}

static struct native *native_add(struct cpu_totals *totals, pid_t tid) {
    if (totals->count == totals->capacity) {
        size_t capacity = totals->capacity == 0 ? 16 : totals->capacity * 2;
        struct native *natives = realloc(totals->natives, capacity * sizeof *natives);
        if (natives == NULL) {
            return NULL;
        }
        totals->natives = natives;
        totals->capacity = capacity;
    }
    totals->natives[totals->count] = (struct native){.tid = tid};
    return &totals->natives[totals->count++];
}

static bool clock_of(const struct process *process, pid_t tid, uint64_t *ns) {
    struct thread_clock clock = THREAD_CLOCK_NONE;
    uint64_t slices = 0;
    if (thread_clock_open(process, tid, &clock) != STATUS_OK) {
        return false;
    }
    enum status status = thread_clock_read(&clock, ns, &slices);
    thread_clock_close(&clock);
    return status == STATUS_OK;
}

static bool is_python(const struct thread_table *threads, pid_t tid) {
    for (uint32_t i = 0; i < threads->count; i++) {
        if (threads->records[i]->tid == tid) {
            return true;
        }
    }
    return false;
}

/* Opens accounts; a thread that was a native one until now begins where that left off. */
static void accounts_open(struct cpu_totals *totals, struct thread_table *threads) {
    for (uint32_t i = 0; i < threads->count; i++) {
        struct thread_record *record = threads->records[i];
        if (record->account == NULL && record->tid != 0) {
            const struct native *native = native_find(totals, record->tid);
            (void)!thread_account_create(totals->process, record->tid,
                                         native == NULL ? UINT64_MAX : native->last_ns,
                                         &record->account);
        }
    }
}

void cpu_totals_update(struct cpu_totals *totals, const struct threads *kernel,
                       struct thread_table *threads) {
    uint64_t ns = 0;
    accounts_open(totals, threads);
    for (size_t i = 0; i < totals->count; i++) {
        totals->natives[i].seen = false;
    }
    for (size_t i = 0; i < kernel->count; i++) {
        pid_t tid = kernel->items[i].tid;
        if (is_python(threads, tid) || !clock_of(totals->process, tid, &ns)) {
            continue;
        }
        struct native *native = native_find(totals, tid);
        if (native == NULL) {
            native = native_add(totals, tid);
            if (native == NULL) {
                continue;
            }
            native->first_ns = ns;
        }
        native->last_ns = ns;
        native->seen = true;
    }
    size_t kept = 0;
    for (size_t i = 0; i < totals->count; i++) {
        if (totals->natives[i].seen) {
            totals->natives[kept++] = totals->natives[i];
        } else {
            totals->native_ended_ns += totals->natives[i].last_ns - totals->natives[i].first_ns;
        }
    }
    totals->count = kept;
    if (process_cpu_time(totals->process, &ns) == STATUS_OK && ns > totals->last_ns) {
        totals->last_ns = ns;
    }
}

void cpu_totals_retire(struct cpu_totals *totals, const struct thread_record *record) {
    if (record->account != NULL) {
        totals->retired_ns += thread_account_written(record->account);
    }
}

void cpu_totals_get(const struct cpu_totals *totals, const struct thread_table *threads,
                    uint64_t *native_ns, uint64_t *unseen_ns) {
    uint64_t native = totals->native_ended_ns;
    for (size_t i = 0; i < totals->count; i++) {
        native += totals->natives[i].last_ns - totals->natives[i].first_ns;
    }
    uint64_t told = native + totals->retired_ns;
    for (uint32_t i = 0; i < threads->count; i++) {
        const struct thread_account *account = threads->records[i]->account;
        told += account == NULL ? 0 : thread_account_written(account);
    }
    uint64_t used = totals->last_ns - totals->base_ns;
    *native_ns = native;
    *unseen_ns = used > told ? used - told : 0;
}
