#include "daemon/python/native_id.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/guard.h"

enum {
    STRUCT_BYTES = 2048, /* of a struct pthread that are searched; glibc's is 2304 bytes */
    OFFSETS = STRUCT_BYTES / 4,
    PTHREADS_MAX = 64,
};

/* The offsets of libcs that we know decide where the search alone cannot, as with one thread and an
 * id like 1. An offset is searched for all the same: these say nothing by themselves. */
static bool offset_is_known(unsigned word_size, uint32_t offset) {
    if (word_size == 4) {
        return offset == 0x68 || offset == 0x18; /* glibc; musl 1.2 */
    }
    return offset == 0x2d0 || offset == 0x30;
}

/* The ids that stand in the structs of the threads, by offset; 0 where no id of the process stands.
 */
struct search {
    const struct memory *memory;
    const pid_t *tids; /* sorted */
    size_t tid_count;
    size_t found; /* structs that were read */
    uint64_t pthreads[PTHREADS_MAX];
    pid_t ids[PTHREADS_MAX][OFFSETS];
};

static int tid_compare(const void *a, const void *b) {
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
    return (x > y) - (x < y);
}

/* Whether the bytes at a pthread_t begin like a thread control block, which begins with its own
 * address on x86 (glibc's tcbhead_t, musl's struct pthread). */
static bool is_pthread(const struct memory *memory, const uint8_t *bytes, size_t size,
                       uint64_t pthread) {
    uint64_t self = 0;
    if (size < memory->word_size) {
        return false;
    }
    memcpy(&self, bytes, memory->word_size);
    return self == pthread;
}

/* Reads what there is of one struct pthread: musl's is small, and memory may end behind it. */
static enum status search_add(struct search *search, uint64_t pthread) {
    uint8_t bytes[STRUCT_BYTES];
    struct iovec remote = {.iov_base = (void *)(uintptr_t)pthread, .iov_len = sizeof bytes};
    size_t got = 0;
    for (size_t i = 0; i < search->found; i++) {
        if (search->pthreads[i] == pthread) {
            return STATUS_OK; /* thread states of several interpreters share a thread */
        }
    }
    enum status status = memory_read_batch(search->memory, bytes, &remote, 1, &got);
    if (status == STATUS_TORN) {
        return STATUS_OK;
    }
    if (status != STATUS_OK || !is_pthread(search->memory, bytes, got, pthread)) {
        return status;
    }
    search->pthreads[search->found] = pthread;
    pid_t *ids = search->ids[search->found++];
    for (size_t i = 0; (i + 1) * sizeof *ids <= got; i++) {
        pid_t id = 0;
        memcpy(&id, bytes + i * sizeof id, sizeof id);
        if (bsearch(&id, search->tids, search->tid_count, sizeof id, tid_compare) != NULL) {
            ids[i] = id;
        }
    }
    return STATUS_OK;
}

/* How many different ids stand at an offset. An id that stands there for several threads is no id
 * of each (old glibc keeps the process's beside the thread's). */
static size_t search_score(const struct search *search, size_t offset) {
    size_t score = 0;
    for (size_t i = 0; i < search->found; i++) {
        bool fresh = search->ids[i][offset] > 0;
        for (size_t k = 0; k < i && fresh; k++) {
            fresh = search->ids[k][offset] != search->ids[i][offset];
        }
        score += fresh;
    }
    return score;
}

enum status native_id_calibrate(const struct memory *memory, const uint64_t *pthreads,
                                size_t pthread_count, const pid_t *tids, size_t tid_count,
                                uint32_t *offset) {
    if (tid_count == 0) {
        return STATUS_ABSENT;
    }
    GUARD_FREE struct search *search = calloc(1, sizeof *search);
    GUARD_FREE pid_t *sorted = malloc(tid_count * sizeof *sorted);
    if (search == NULL || sorted == NULL) {
        return STATUS_NOMEM;
    }
    memcpy(sorted, tids, tid_count * sizeof *sorted);
    qsort(sorted, tid_count, sizeof *sorted, tid_compare);
    search->memory = memory;
    search->tids = sorted;
    search->tid_count = tid_count;
    for (size_t i = 0; i < pthread_count && i < PTHREADS_MAX; i++) {
        enum status status = search_add(search, pthreads[i]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    size_t best = 0, rivals = 0;
    uint32_t winner = 0;
    for (uint32_t i = 0; i < OFFSETS; i++) {
        size_t score = search_score(search, i);
        bool preferred = offset_is_known(memory->word_size, i * 4) &&
                         !offset_is_known(memory->word_size, winner);
        if (score > best || (score == best && preferred)) {
            best = score;
            winner = i * 4;
            rivals = 0;
        } else if (score == best && offset_is_known(memory->word_size, winner) ==
                                        offset_is_known(memory->word_size, i * 4)) {
            rivals++;
        }
    }
    if (best == 0 || best * 2 <= search->found || rivals > 0) {
        return STATUS_ABSENT;
    }
    *offset = winner;
    return STATUS_OK;
}

enum status native_id_read(const struct memory *memory, uint32_t offset, uint64_t pthread,
                           pid_t *tid) {
    struct iovec remote[] = {
        {.iov_base = (void *)(uintptr_t)pthread, .iov_len = memory->word_size},
        {.iov_base = (void *)(uintptr_t)(pthread + offset), .iov_len = sizeof(pid_t)},
    };
    uint8_t bytes[sizeof(uint64_t) + sizeof(pid_t)];
    size_t got = 0;
    enum status status = memory_read_batch(memory, bytes, remote, 2, &got);
    if (status == STATUS_TORN) {
        return STATUS_ABSENT;
    }
    if (status != STATUS_OK) {
        return status;
    }
    pid_t found = 0;
    if (got != memory->word_size + sizeof found || !is_pthread(memory, bytes, got, pthread)) {
        return STATUS_ABSENT;
    }
    memcpy(&found, bytes + memory->word_size, sizeof found);
    if (found <= 0) {
        return STATUS_ABSENT;
    }
    *tid = found;
    return STATUS_OK;
}
