#include "daemon/inject/pending_layout.h"

#include <string.h>

enum { MINOR_FIRST = 8, MINOR_LAST = 13, QUEUE_MAX = 8192, MUTEX_BITS = 3 };

/* 3.9 to 3.11 share a queue, and 3.12's is 3.8's with another member in front. */
#define QUEUE_64(FRONT)                                                                            \
    .lock = (FRONT), .count = (FRONT) + 8, .calls = (FRONT) + 16, .slot_size = 16, .slots = 32,    \
    .first = (FRONT) + 528, .next = (FRONT) + 532, .max = PENDING_LAYOUT_NONE, .breaker_mask = 1
#define QUEUE_32(FRONT)                                                                            \
    .lock = (FRONT), .count = (FRONT) + 4, .calls = (FRONT) + 12, .slot_size = 8, .slots = 32,     \
    .first = (FRONT) + 268, .next = (FRONT) + 272, .max = PENDING_LAYOUT_NONE, .breaker_mask = 1
#define INTERPRETER .in_interpreter = true, .finishing = PENDING_LAYOUT_NONE
#define QUEUE_313                                                                                  \
    INTERPRETER, .lock_is_mutex_byte = true, .counts_all = true, .slots = 300,                     \
                 .breaker_in_thread = true, .breaker_mask = 1 << 2 /* _PY_CALLS_TO_DO_BIT */

static const struct pending_layout rows[][2] = {
    {{QUEUE_64(8), .queue = 600, .breaker = 592, .finishing = 0},
     {QUEUE_32(4), .queue = 340, .breaker = 332, .finishing = 0}},
    {{QUEUE_64(0), INTERPRETER, .queue = 80, .breaker = 72},
     {QUEUE_32(0), INTERPRETER, .queue = 56, .breaker = 48}},
    {{QUEUE_64(0), INTERPRETER, .queue = 80, .breaker = 68},
     {QUEUE_32(0), INTERPRETER, .queue = 52, .breaker = 44}},
    {{QUEUE_64(0), INTERPRETER, .queue = 112, .breaker = 100},
     {QUEUE_32(0), INTERPRETER, .queue = 76, .breaker = 68}},
    {{QUEUE_64(8), INTERPRETER, .queue = 400, .breaker = 368},
     {QUEUE_32(4), INTERPRETER, .queue = 252, .breaker = 228}},
    {{QUEUE_313, .queue = 32, .lock = 8, .count = 12, .max = 16, .calls = 24, .slot_size = 24,
      .first = 7224, .next = 7228, .breaker = 24},
     {QUEUE_313, .queue = 16, .lock = 4, .count = 8, .max = 12, .calls = 20, .slot_size = 12,
      .first = 3620, .next = 3624, .breaker = 12}},
};

const struct pending_layout *pending_layout_find(unsigned minor, unsigned word_size) {
    if (minor < MINOR_FIRST || minor > MINOR_LAST || (word_size != 4 && word_size != 8)) {
        return NULL;
    }
    return &rows[minor - MINOR_FIRST][word_size == 8 ? 0 : 1];
}

static uint32_t int_at(const uint8_t *queue, uint32_t offset) {
    uint32_t value;
    memcpy(&value, queue + offset, sizeof value);
    return value;
}

static uint64_t word_at(const uint8_t *queue, uint32_t offset, unsigned word_size) {
    uint64_t value = 0;
    memcpy(&value, queue + offset, word_size);
    return value;
}

static enum status lock_check(const struct pending_layout *layout, const struct memory *memory,
                              const struct mappings *mappings, const uint8_t *queue,
                              struct error *error) {
    if (layout->lock_is_mutex_byte) {
        uint8_t byte = queue[layout->lock];
        if (byte > MUTEX_BITS) {
            return error_set(error, STATUS_CORRUPT, "its lock is no PyMutex");
        }
        return byte == 0 ? STATUS_OK : error_set(error, STATUS_TORN, "its lock is held");
    }
    struct raddr lock = raddr_make(word_at(queue, layout->lock, memory->word_size));
    const struct mapping *place = mappings_find(mappings, lock);
    if (place == NULL || !place->writable || lock.v % memory->word_size != 0) {
        return error_set(error, STATUS_CORRUPT, "its lock is no pointer to a semaphore");
    }
    uint32_t value = 0;
    enum status status = memory_read(memory, lock, &value, sizeof value);
    if (status != STATUS_OK) {
        return error_set(error, status, "its lock cannot be read: %s", status_name(status));
    }
    /* glibc keeps a bit for waiters below the value where a word has 32 bits. */
    value = memory->word_size == 4 ? value >> 1 : value;
    if (value > 1) {
        return error_set(error, STATUS_CORRUPT, "its lock is no semaphore of one");
    }
    return value == 1 ? STATUS_OK : error_set(error, STATUS_TORN, "its lock is held");
}

/* `*used`: how many calls wait. */
static enum status indices_check(const struct pending_layout *layout, const uint8_t *queue,
                                 uint32_t *used, struct error *error) {
    uint32_t first = int_at(queue, layout->first);
    uint32_t next = int_at(queue, layout->next);
    uint32_t count = int_at(queue, layout->count);
    if (first >= layout->slots || next >= layout->slots ||
        count > (layout->counts_all ? layout->slots : 1)) {
        return error_set(error, STATUS_CORRUPT, "its indices are out of range");
    }
    if (layout->max != PENDING_LAYOUT_NONE && int_at(queue, layout->max) != layout->slots) {
        return error_set(error, STATUS_CORRUPT, "it is not of %u slots", layout->slots);
    }
    *used = (next + layout->slots - first) % layout->slots;
    if (layout->counts_all) {
        if (count % layout->slots != *used) {
            return error_set(error, STATUS_CORRUPT, "its count and its indices differ");
        }
        *used = count;
        return STATUS_OK;
    }
    /* The interpreter clears the flag before it takes the calls, and a call added meanwhile sets it
     * again: both differences pass. */
    return (count == 1) == (*used > 0) ? STATUS_OK
                                       : error_set(error, STATUS_TORN, "its calls are being run");
}

static enum status calls_check(const struct pending_layout *layout, const struct mappings *mappings,
                               unsigned word_size, const uint8_t *queue, uint32_t used,
                               struct error *error) {
    uint32_t first = int_at(queue, layout->first);
    for (uint32_t i = 0; i < used; ++i) {
        uint32_t slot = layout->calls + (first + i) % layout->slots * layout->slot_size;
        const struct mapping *code =
            mappings_find(mappings, raddr_make(word_at(queue, slot, word_size)));
        if (code == NULL || !code->executable) {
            return error_set(error, STATUS_CORRUPT, "a call in it is no function");
        }
    }
    return STATUS_OK;
}

enum status pending_layout_check(const struct pending_layout *layout, const struct memory *memory,
                                 const struct mappings *mappings, struct raddr base,
                                 struct error *error) {
    uint8_t queue[QUEUE_MAX];
    uint8_t again[QUEUE_MAX];
    size_t size = layout->next + sizeof(int32_t);
    struct raddr address = raddr_add(base, layout->queue);
    enum status status = memory_read(memory, address, queue, size);
    uint32_t used = 0;
    enum status verdict = STATUS_OK;
    if (status == STATUS_OK) {
        verdict = lock_check(layout, memory, mappings, queue, error);
        if (verdict == STATUS_OK) {
            verdict = indices_check(layout, queue, &used, error);
        }
        if (verdict == STATUS_OK) {
            verdict = calls_check(layout, mappings, memory->word_size, queue, used, error);
        }
        status = memory_read(memory, address, again, size);
    }
    if (status != STATUS_OK) {
        return error_set(error, status, "the queue cannot be read: %s", status_name(status));
    }
    /* A copy is not of one moment: what contradicts itself in motion may not do so at rest. */
    if (memcmp(queue, again, size) != 0) {
        return error_set(error, STATUS_TORN, "the queue is in motion");
    }
    if (verdict == STATUS_OK && layout->finishing != PENDING_LAYOUT_NONE) {
        uint32_t finishing = int_at(queue, layout->finishing);
        if (finishing != 0) {
            verdict = error_set(error, finishing == 1 ? STATUS_TORN : STATUS_CORRUPT,
                                finishing == 1 ? "the interpreter ends" : "it is no queue");
        }
    }
    return verdict;
}
