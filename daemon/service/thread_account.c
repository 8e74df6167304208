/* HOT: no allocation, lock or log, except in create; a sample makes one system call. */
#include "daemon/service/thread_account.h"

#include <stdlib.h>

enum { WAITING_MAX = 64 };

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
    struct waiting waiting[WAITING_MAX]; /* oldest first */
    uint32_t count;
};

enum status thread_account_create(const struct process *process, int32_t tid, uint64_t from_ns,
                                  struct thread_account **out) {
    struct thread_account *account = calloc(1, sizeof *account);
    if (account == NULL) {
        return STATUS_NOMEM;
    }
    uint64_t slices = 0;
    enum status status = thread_clock_open(process, tid, &account->clock);
    if (status != STATUS_OK) {
        free(account);
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
    struct waiting *last = account->count > 0 ? &account->waiting[account->count - 1] : NULL;
    if (last != NULL && last->node == node) {
        last->count++;
        last->passed_ns += passed_ns;
        return;
    }
    if (account->count == WAITING_MAX) {
        /* The oldest have waited longer than any lump takes: their thread slept. */
        for (uint32_t i = 1; i < WAITING_MAX; i++) {
            account->waiting[i - 1] = account->waiting[i];
        }
        account->count--;
    }
    account->waiting[account->count++] =
        (struct waiting){.node = node, .count = 1, .passed_ns = passed_ns};
}

/* Gives `ns` to the samples that wait, the newest first, each at most what passed before it; what
 * is left, because it was used before the first of them, to that one. */
static void lump_spread(struct thread_account *account, uint64_t ns) {
    for (uint32_t i = account->count; i > 0 && ns > 0; i--) {
        struct waiting *waiting = &account->waiting[i - 1];
        waiting->cpu_ns = ns < waiting->passed_ns ? ns : waiting->passed_ns;
        ns -= waiting->cpu_ns;
    }
    account->waiting[0].cpu_ns += ns;
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
        const struct waiting *waiting = &account->waiting[i];
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
