#include "daemon/ingest/ring_reader.h"

#include <string.h>

/* As in shim/ring_writer.c: where a test can come between. */
#ifndef RING_STEP
#define RING_STEP()
#endif

static uint32_t load(const _Atomic uint32_t *word) {
    RING_STEP();
    return atomic_load_explicit(word, memory_order_acquire);
}

static void store(_Atomic uint32_t *word, uint32_t value) {
    RING_STEP();
    atomic_store_explicit(word, value, memory_order_release);
}

enum status ring_reader_init(struct ring_reader *reader, struct ring *ring) {
    const struct ring_header *header = &ring->header;
    if (header->magic != RING_MAGIC || header->version != RING_VERSION ||
        header->records != RING_RECORDS || header->record_size != sizeof(struct ring_record)) {
        return STATUS_CORRUPT;
    }
    *reader = (struct ring_reader){
        .ring = ring,
        .tail = load(&header->tail),
        .dropped = load(&header->dropped),
        .wanted = load(&header->wanted),
    };
    return load(&header->head) - reader->tail <= RING_RECORDS ? STATUS_OK : STATUS_CORRUPT;
}

/* Copies a committed record. False if it is broken: another writer, believed dead, wrote there,
 * too.
 */
static bool record_copy(const struct ring_record *record, uint32_t number,
                        struct ring_record *out) {
    RING_STEP();
    out->number = number;
    out->check = record->check;
    out->kind = record->kind;
    out->size = record->size;
    RING_STEP();
    memcpy(out->payload, record->payload, sizeof out->payload);
    return out->size <= RING_PAYLOAD &&
           out->check == ring_check(number, out->kind, out->size, out->payload);
}

/* Whether the record at the tail, which is not committed, is to be stepped over. */
static bool step_over(struct ring_reader *reader, uint32_t now_ms, bool ended) {
    if (!reader->stalled) {
        reader->stalled = true;
        reader->stalled_ms = now_ms;
    }
    return ended || now_ms - reader->stalled_ms >= RING_STALL_MS;
}

enum status ring_reader_take(struct ring_reader *reader, uint32_t now_ms, bool ended,
                             struct ring_record *out, uint32_t capacity, uint32_t *count,
                             uint32_t *lost) {
    struct ring *ring = reader->ring;
    uint32_t head = load(&ring->header.head);
    uint32_t taken = 0;
    uint32_t missing = 0;
    if (head - reader->tail > RING_RECORDS) {
        return STATUS_CORRUPT;
    }
    while (reader->tail != head && taken < capacity) {
        const struct ring_record *record = &ring->records[reader->tail % RING_RECORDS];
        if (load(&record->number) == reader->tail + 1) {
            bool sound = record_copy(record, reader->tail, &out[taken]);
            taken += sound ? 1 : 0;
            missing += sound ? 0 : 1;
        } else if (step_over(reader, now_ms, ended)) {
            missing++;
        } else {
            break;
        }
        reader->stalled = false;
        reader->tail++;
    }
    store(&ring->header.tail, reader->tail);
    store(&ring->header.heartbeat_ms, now_ms == 0 ? 1 : now_ms);
    uint32_t dropped = load(&ring->header.dropped);
    missing += dropped - reader->dropped;
    reader->dropped = dropped;
    if (missing > 0) {
        ring_reader_resync(reader);
    }
    *count = taken;
    *lost = missing;
    return STATUS_OK;
}

bool ring_reader_is_there(const struct ring *ring, uint32_t now_ms) {
    uint32_t heartbeat_ms = load(&ring->header.heartbeat_ms);
    return heartbeat_ms != 0 && (int32_t)(now_ms - heartbeat_ms) < RING_SILENCE_MS;
}

void ring_reader_want(struct ring_reader *reader, uint32_t wants) {
    store(&reader->ring->header.wants, wants);
}

void ring_reader_resync(struct ring_reader *reader) {
    store(&reader->ring->header.wanted, ++reader->wanted);
}

void ring_reader_leave(struct ring_reader *reader) {
    store(&reader->ring->header.heartbeat_ms, 0);
}
