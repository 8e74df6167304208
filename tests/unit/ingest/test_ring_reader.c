#include <criterion/criterion.h>
#include <string.h>

#include "daemon/ingest/ring_reader.h"

static struct ring ring;
static struct ring_reader reader;
static struct ring_record records[16];
static uint32_t count, lost;

/* A ring whose first record is number `first`. */
static void begin(uint32_t first) {
    memset(&ring, 0, sizeof ring);
    ring.header = (struct ring_header){
        .magic = RING_MAGIC,
        .version = RING_VERSION,
        .records = RING_RECORDS,
        .record_size = sizeof(struct ring_record),
        .head = first,
        .tail = first,
    };
    cr_assert_eq(ring_reader_init(&reader, &ring), STATUS_OK);
}

static struct ring_record *reserve(void) {
    return &ring.records[ring.header.head++ % RING_RECORDS];
}

static void commit(struct ring_record *record, uint32_t number, const char *text) {
    memset(record, 0, sizeof *record);
    record->kind = 7;
    record->size = (uint16_t)strlen(text);
    memcpy(record->payload, text, record->size);
    record->check = ring_check(number, record->kind, record->size, record->payload);
    record->number = number + 1;
}

static void put(const char *text) {
    uint32_t number = ring.header.head;
    commit(reserve(), number, text);
}

static enum status take(uint32_t now_ms, bool ended) {
    return ring_reader_take(&reader, now_ms, ended, records, 16, &count, &lost);
}

static void expect(const char *const *texts, uint32_t losses) {
    uint32_t number = 0;
    for (; texts[number] != NULL; number++) {
        cr_assert_lt(number, count);
        cr_expect_eq(records[number].size, strlen(texts[number]));
        cr_expect_arr_eq(records[number].payload, texts[number], records[number].size);
    }
    cr_expect_eq(count, number);
    cr_expect_eq(lost, losses);
}

#define EXPECT(losses, ...) expect((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL}, losses)

Test(ring_reader, takes_what_is_committed_in_order) {
    begin(0);
    cr_assert_eq(take(1, false), STATUS_OK);
    EXPECT(0);
    put("one");
    put("two");
    cr_assert_eq(take(2, false), STATUS_OK);
    EXPECT(0, "one", "two");
    cr_expect_eq(ring.header.tail, 2);
    cr_expect_eq(ring.header.heartbeat_ms, 2);
    cr_expect_eq(ring.header.wanted, 0);
    cr_assert_eq(take(0, false), STATUS_OK);
    EXPECT(0);
    cr_expect_neq(ring.header.heartbeat_ms, 0, "that would mean that nobody reads");
    ring_reader_leave(&reader);
    cr_expect_eq(ring.header.heartbeat_ms, 0);
}

Test(ring_reader, counters_wrap) {
    begin(UINT32_MAX - 1);
    put("before");
    put("at");
    put("behind");
    cr_assert_eq(take(1, false), STATUS_OK);
    EXPECT(0, "before", "at", "behind");
    cr_expect_eq(ring.header.tail, 1);
}

Test(ring_reader, a_later_one_goes_on_where_it_ended) {
    begin(0);
    put("one");
    cr_assert_eq(take(1, false), STATUS_OK);
    put("two");
    cr_assert_eq(ring_reader_init(&reader, &ring), STATUS_OK);
    cr_assert_eq(take(1, false), STATUS_OK);
    EXPECT(0, "two");
}

Test(ring_reader, takes_no_more_than_there_is_room_for) {
    begin(0);
    for (unsigned i = 0; i < 20; i++) {
        put("x");
    }
    cr_assert_eq(take(1, false), STATUS_OK);
    cr_expect_eq(count, 16);
    cr_assert_eq(take(1, false), STATUS_OK);
    cr_expect_eq(count, 4);
}

Test(ring_reader, waits_for_a_slow_writer) {
    begin(0);
    put("one");
    struct ring_record *slow = reserve();
    put("three");
    cr_assert_eq(take(100, false), STATUS_OK);
    EXPECT(0, "one");
    cr_assert_eq(take(99 + RING_STALL_MS, false), STATUS_OK);
    EXPECT(0);
    commit(slow, 1, "two");
    cr_assert_eq(take(100 + RING_STALL_MS, false), STATUS_OK);
    EXPECT(0, "two", "three");
}

Test(ring_reader, steps_over_a_dead_writer) {
    begin(0);
    (void)reserve();
    put("two");
    cr_assert_eq(take(100, false), STATUS_OK);
    EXPECT(0);
    cr_assert_eq(take(100 + RING_STALL_MS, false), STATUS_OK);
    EXPECT(1, "two");
    cr_expect_eq(ring.header.wanted, 1, "everything is asked for anew");
    (void)reserve();
    put("four");
    (void)reserve();
    cr_assert_eq(take(200 + RING_STALL_MS, true), STATUS_OK);
    EXPECT(2, "four");
}

Test(ring_reader, knows_a_record_that_two_have_written) {
    begin(0);
    put("one");
    ring.records[0].payload[1] ^= 1;
    put("two");
    cr_assert_eq(take(1, false), STATUS_OK);
    EXPECT(1, "two");
    put("three");
    ring.records[2].size = RING_PAYLOAD + 1;
    cr_assert_eq(take(1, false), STATUS_OK);
    EXPECT(1);
}

Test(ring_reader, a_record_of_an_earlier_lap_is_none) {
    begin(0);
    put("one");
    cr_assert_eq(take(1, false), STATUS_OK);
    ring.header.head = RING_RECORDS + 1;
    ring.header.tail = reader.tail = RING_RECORDS;
    cr_assert_eq(take(1, false), STATUS_OK);
    EXPECT(0);
}

Test(ring_reader, what_was_dropped_is_asked_for_anew) {
    begin(0);
    ring.header.dropped = 3;
    cr_assert_eq(take(1, false), STATUS_OK);
    EXPECT(3);
    cr_expect_eq(ring.header.wanted, 1);
    cr_assert_eq(take(1, false), STATUS_OK);
    EXPECT(0);
    cr_expect_eq(ring.header.wanted, 1);
}

Test(ring_reader, refuses_what_is_no_ring) {
    begin(0);
    struct ring_header sound = ring.header;
    ring.header.magic++;
    cr_expect_eq(ring_reader_init(&reader, &ring), STATUS_CORRUPT);
    ring.header = sound;
    ring.header.version++;
    cr_expect_eq(ring_reader_init(&reader, &ring), STATUS_CORRUPT);
    ring.header = sound;
    ring.header.records /= 2;
    cr_expect_eq(ring_reader_init(&reader, &ring), STATUS_CORRUPT);
    ring.header = sound;
    ring.header.record_size = 0;
    cr_expect_eq(ring_reader_init(&reader, &ring), STATUS_CORRUPT);
    ring.header = sound;
    ring.header.head = RING_RECORDS + 1;
    cr_expect_eq(ring_reader_init(&reader, &ring), STATUS_CORRUPT);
}

Test(ring_reader, refuses_a_head_that_makes_no_sense) {
    begin(0);
    put("one");
    count = 77;
    ring.header.head = RING_RECORDS + 1;
    cr_expect_eq(take(1, false), STATUS_CORRUPT);
    ring.header.head = UINT32_MAX;
    cr_expect_eq(take(1, false), STATUS_CORRUPT);
    cr_expect_eq(count, 77, "outputs stay as they were");
}
