/* Many threads write into a ring as fast as they can, while it is read: every record that was
 * written is read once, whole and in its writer's order, and every other one is known to be lost.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/ingest/ring_reader.h"
#include "shim/ring_writer.h"

enum { WRITERS = 8, RECORDS = 20000, TAKEN_AT_ONCE = 512 };

static struct ring ring;
static atomic_uint running = WRITERS;
static uint32_t dropped[WRITERS], taken[WRITERS], last[WRITERS];

static void require(int condition, const char *what) {
    if (!condition) {
        (void)fprintf(stderr, "race_ring: %s\n", what);
        exit(1);
    }
}

static void *write_all(void *argument) {
    const uint16_t writer = (uint16_t)(uintptr_t)argument;
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint32_t payload[RING_PAYLOAD / sizeof(uint32_t)];
        for (unsigned j = 0; j < RING_PAYLOAD / sizeof(uint32_t); j++) {
            payload[j] = i + 1;
        }
        if (!ring_write(&ring, writer, payload, sizeof payload)) {
            dropped[writer]++;
            (void)sched_yield();
        }
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void record_judge(const struct ring_record *record) {
    uint32_t payload[RING_PAYLOAD / sizeof(uint32_t)];
    memcpy(payload, record->payload, sizeof payload);
    require(record->kind < WRITERS && record->size == RING_PAYLOAD, "a record is nobody's");
    require(payload[0] > last[record->kind] && payload[0] <= RECORDS,
            "a record is repeated, or out of order");
    for (unsigned j = 1; j < RING_PAYLOAD / sizeof(uint32_t); j++) {
        require(payload[j] == payload[0], "a record is torn");
    }
    last[record->kind] = payload[0];
    taken[record->kind]++;
}

static uint32_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

int main(void) {
    static struct ring_record records[TAKEN_AT_ONCE];
    struct ring_reader reader;
    pthread_t threads[WRITERS];
    uint32_t lost = 0;
    ring_begin(&ring, 1);
    require(ring_reader_init(&reader, &ring) == STATUS_OK, "an empty ring is called corrupt");
    for (uintptr_t i = 0; i < WRITERS; i++) {
        require(pthread_create(&threads[i], NULL, write_all, (void *)i) == 0, "no thread");
    }
    for (bool ended = false, more = true; more;) {
        uint32_t count = 0;
        uint32_t missing = 0;
        ended = atomic_load(&running) == 0;
        require(ring_reader_take(&reader, now_ms(), ended, records, TAKEN_AT_ONCE, &count,
                                 &missing) == STATUS_OK,
                "a sound ring is called corrupt");
        for (uint32_t i = 0; i < count; i++) {
            record_judge(&records[i]);
        }
        lost += missing;
        more = !ended || count > 0;
    }
    uint32_t all_dropped = 0;
    for (unsigned i = 0; i < WRITERS; i++) {
        (void)pthread_join(threads[i], NULL);
        require(taken[i] + dropped[i] == RECORDS, "a record is neither read nor dropped");
        all_dropped += dropped[i];
    }
    require(lost == all_dropped, "what was lost is counted wrong");
    (void)printf("%u records, %u of them dropped\n", WRITERS * RECORDS, all_dropped);
    return 0;
}
