#include "shim/ring_writer.h"

#include <string.h>

/* Every access to what others see at the same time is one of these, so that a test can come between
 * any two (tests/model/). */
#ifndef RING_STEP
#define RING_STEP()
#endif

/* Each failed try is another writer's success; the bound is for a tail that makes no sense. */
enum { TRIES_MAX = 1000 };

static uint32_t load(const _Atomic uint32_t *word) {
    RING_STEP();
    return atomic_load_explicit(word, memory_order_acquire);
}

static void store(_Atomic uint32_t *word, uint32_t value) {
    RING_STEP();
    atomic_store_explicit(word, value, memory_order_release);
}

/* Advances a word that was `*seen`. False, and `*seen` is what it is now, if it is another by now.
 */
static bool advance(_Atomic uint32_t *word, uint32_t *seen) {
    uint32_t expected = *seen;
    RING_STEP();
    bool advanced = atomic_compare_exchange_strong_explicit(
        word, &expected, *seen + 1, memory_order_acq_rel, memory_order_acquire);
    *seen = expected;
    return advanced;
}

void ring_begin(struct ring *ring, int32_t pid) {
    ring->header.version = RING_VERSION;
    ring->header.records = RING_RECORDS;
    ring->header.record_size = sizeof(struct ring_record);
    ring->header.pid = pid;
    ring->header.magic = RING_MAGIC;
}

/* The number of a record that is ours from now on. False if none is free. */
static bool reserve(struct ring_header *header, uint32_t *number) {
    uint32_t head = load(&header->head);
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        uint32_t unread = head - load(&header->tail);
        if (unread == RING_RECORDS) {
            return false;
        }
        if (unread > RING_RECORDS) { /* others have written since, and been read */
            head = load(&header->head);
        } else if (advance(&header->head, &head)) {
            *number = head;
            return true;
        }
    }
    return false;
}

bool ring_write(struct ring *ring, uint16_t kind, const void *payload, uint16_t size) {
    uint32_t number;
    uint8_t bytes[RING_PAYLOAD] = {0};
    if (size > RING_PAYLOAD) {
        return false;
    }
    memcpy(bytes, payload, size);
    if (!reserve(&ring->header, &number)) {
        RING_STEP();
        (void)atomic_fetch_add_explicit(&ring->header.dropped, 1, memory_order_release);
        return false;
    }
    struct ring_record *record = &ring->records[number % RING_RECORDS];
    RING_STEP();
    record->kind = kind;
    record->size = size;
    record->check = ring_check(number, kind, size, bytes);
    RING_STEP();
    memcpy(record->payload, bytes, sizeof bytes);
    store(&record->number, number + 1);
    return true;
}
