#include <criterion/criterion.h>
#include <string.h>

#include "shim/ring_writer.h"

static struct ring ring;

Test(ring_writer, a_ring_begins_empty) {
    ring_begin(&ring, 42);
    cr_expect_eq(ring.header.magic, RING_MAGIC);
    cr_expect_eq(ring.header.version, RING_VERSION);
    cr_expect_eq(ring.header.records, RING_RECORDS);
    cr_expect_eq(ring.header.record_size, sizeof(struct ring_record));
    cr_expect_eq(ring.header.pid, 42);
    cr_expect_eq(ring.header.head, 0);
}

Test(ring_writer, commits_what_is_written) {
    ring_begin(&ring, 1);
    cr_assert(ring_write(&ring, 3, "abc", 3));
    const struct ring_record *record = &ring.records[0];
    cr_expect_eq(ring.header.head, 1);
    cr_expect_eq(record->number, 1);
    cr_expect_eq(record->kind, 3);
    cr_expect_eq(record->size, 3);
    cr_expect_arr_eq(record->payload, "abc\0\0", 5, "the rest is zero");
    cr_expect_eq(record->check, ring_check(0, 3, 3, record->payload));
    cr_expect_neq(record->check, ring_check(1, 3, 3, record->payload));
}

Test(ring_writer, drops_what_finds_no_room) {
    ring_begin(&ring, 1);
    for (unsigned i = 0; i < RING_RECORDS; i++) {
        cr_assert(ring_write(&ring, 1, &i, sizeof i));
    }
    cr_expect_not(ring_write(&ring, 1, "x", 1));
    cr_expect_eq(ring.header.dropped, 1);
    cr_expect_eq(ring.header.head, RING_RECORDS);
    ring.header.tail = 1;
    cr_expect(ring_write(&ring, 1, "y", 1));
    cr_expect_eq(ring.records[0].number, RING_RECORDS + 1);
    cr_expect_not(ring_write(&ring, 1, "z", 1));
    cr_expect_eq(ring.header.dropped, 2);
}

Test(ring_writer, counters_wrap) {
    ring_begin(&ring, 1);
    ring.header.head = ring.header.tail = UINT32_MAX;
    cr_assert(ring_write(&ring, 1, "x", 1));
    cr_assert(ring_write(&ring, 1, "y", 1));
    cr_expect_eq(ring.header.head, 1);
    cr_expect_eq(ring.records[RING_RECORDS - 1].number, 0);
    cr_expect_eq(ring.records[0].number, 1);
}

Test(ring_writer, a_tail_that_makes_no_sense_does_not_hold_it_up) {
    ring_begin(&ring, 1);
    ring.header.tail = 1000;
    cr_expect_not(ring_write(&ring, 1, "x", 1));
    cr_expect_eq(ring.header.dropped, 1);
}

Test(ring_writer, takes_no_more_than_a_record_has_room_for) {
    uint8_t much[RING_PAYLOAD + 1] = {0};
    ring_begin(&ring, 1);
    cr_expect(ring_write(&ring, 1, much, RING_PAYLOAD));
    cr_expect_not(ring_write(&ring, 1, much, RING_PAYLOAD + 1));
    cr_expect_eq(ring.header.head, 1);
}
