/* HOT: no allocation, lock or log, except in create and where more samples wait than ever did; a
 * sample makes one system call. */
#include "daemon/service/thread_account.h"

#include <stdlib.h>

/* A kernel with 100 ticks a second accounts 10 ms at a time: 4000 samples, taken flat out, of which
 * each may have another stack than the one before it. Most threads never need so many. */
enum { WAITING_FIRST = 64, WAITING_MAX = 4096 };

/* Samples of one stack in a row whose CPU time is not known yet. */
struct waiting {
    uint32_t node;
    uint32_t count;
    uint64_t passed_ns; /* wall time since the sample before them */
    uint64_t cpu_ns;
};

struct thread_account {
    struct thread_clock clock;
    uint64_t last_ns; /* the clock's last reading */
    uint64_t left_ns; /* used, but below a microsecond or not given to a sample yet */
    uint64_t written_ns;
    struct waiting *waiting; /* a ring */
    uint32_t capacity;       /* a power of two */
    uint32_t first, count;   /* the oldest; how many */
};

static struct waiting *waiting_at(const struct thread_account *account, uint32_t i) {
    return &account->waiting[(account->first + i) & (account->capacity - 1)];
}

/* Makes room for twice as many. False if there is none, or as many as there may be. */
static bool waiting_grow(struct thread_account *account) {
    uint32_t capacity = account->capacity == 0 ? WAITING_FIRST : account->capacity * 2;
    struct waiting *waiting = capacity <= WAITING_MAX ? malloc(capacity * sizeof *waiting) : NULL;
    if (waiting == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < account->count; i++) {
        waiting[i] = *waiting_at(account, i);
    }
    free(account->waiting);
    account->waiting = waiting;
    account->capacity = capacity;
    account->first = 0;
    return true;
}

enum status thread_account_create(const struct process *process, int32_t tid, uint64_t from_ns,
                                  struct thread_account **out) {
    struct thread_account *account = calloc(1, sizeof *account);
    if (account == NULL) {
        return STATUS_NOMEM;
    }
    uint64_t slices = 0;
    account->clock = THREAD_CLOCK_NONE;
    enum status status = waiting_grow(account) ? STATUS_OK : STATUS_NOMEM;
    if (status == STATUS_OK) {
        status = thread_clock_open(process, tid, &account->clock);
    }
    if (status != STATUS_OK) {
        thread_account_destroy(account);
        return status;
    }
    status = thread_clock_read(&account->clock, &account->last_ns, &slices);
    if (status != STATUS_OK) {
        thread_account_destroy(account);
        return status;
    }
    if (from_ns < account->last_ns) {
        account->last_ns = from_ns;
    }
    *out = account;
    return STATUS_OK;
}

void thread_account_destroy(struct thread_account *account) {
    if (account != NULL) {
        thread_clock_close(&account->clock);
        free(account->waiting);
        free(account);
    }
}

void thread_account_turn(struct thread_account *account) {
    account->count = 0;
}

uint64_t thread_account_written(const struct thread_account *account) {
    return account->written_ns;
}

static void waiting_add(struct thread_account *account, uint32_t node, uint64_t passed_ns) {
    struct waiting *last = account->count > 0 ? waiting_at(account, account->count - 1) : NULL;
    if (last != NULL && last->node == node) {
        last->count++;
        last->passed_ns += passed_ns;
        return;
    }
    if (account->count == account->capacity && !waiting_grow(account)) {
        /* The oldest has to go. If it has a part in the next lump, that is spread over the others
         * as they share the rest of it. */
        account->first++;
        account->count--;
    }
    account->count++;
    *waiting_at(account, account->count - 1) =
        (struct waiting){.node = node, .count = 1, .passed_ns = passed_ns};
}

/* What was used before the first of the samples that wait (by others that were of the last batch,
 * or were too many) goes to all of them, by the time that each stands for. */
static void excess_spread(struct thread_account *account, uint64_t ns, uint64_t passed_ns) {
    uint64_t given_ns = 0;
    for (uint32_t i = account->count - 1; i > 0 && passed_ns > 0; i--) {
        struct waiting *waiting = waiting_at(account, i);
        uint64_t share_ns = (uint64_t)((double)ns * (double)waiting->passed_ns / (double)passed_ns);
        share_ns = share_ns < ns - given_ns ? share_ns : ns - given_ns;
        waiting->cpu_ns += share_ns;
        given_ns += share_ns;
    }
    waiting_at(account, 0)->cpu_ns += ns - given_ns;
}

/* Gives `ns` to the samples that wait, the newest first, each at most what passed before it. */
static void lump_spread(struct thread_account *account, uint64_t ns) {
    uint64_t passed_ns = 0;
    for (uint32_t i = account->count; i > 0 && ns > 0; i--) {
        struct waiting *waiting = waiting_at(account, i - 1);
        waiting->cpu_ns = ns < waiting->passed_ns ? ns : waiting->passed_ns;
        passed_ns += waiting->passed_ns;
        ns -= waiting->cpu_ns;
    }
    if (ns > 0) {
        excess_spread(account, ns, passed_ns);
    }
}

bool thread_account_sample(struct thread_record *record, struct emitter *emitter, uint32_t node,
                           uint64_t now_ns) {
    struct thread_account *account = record->account;
    uint64_t used_ns = 0;
    uint64_t slices = 0;
    waiting_add(account, node, now_ns - record->last_ns);
    record->last_ns = now_ns;
    if (thread_clock_read(&account->clock, &used_ns, &slices) != STATUS_OK) {
        return true; /* it has ended */
    }
    if (used_ns <= account->last_ns) {
        return true; /* it sleeps, or runs and was not accounted since */
    }
    lump_spread(account, used_ns - account->last_ns);
    account->last_ns = used_ns;
    uint32_t count = account->count;
    account->count = 0;
    bool written = true;
    for (uint32_t i = 0; i < count; i++) {
        const struct waiting *waiting = waiting_at(account, i);
        account->left_ns += waiting->cpu_ns;
        uint64_t us = account->left_ns / 1000;
        if (us == 0) {
            continue;
        }
        if (!emitter_sample(emitter, record, waiting->node, waiting->count, (int64_t)us)) {
            written = false;
            continue;
        }
        account->left_ns -= us * 1000;
        account->written_ns += us * 1000;
    }
    return written;
}
