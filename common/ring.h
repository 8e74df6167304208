/* ring: the layout of what the shim publishes, in memory that it shares with the daemon. The same
 * for 32- and 64-bit processes; depends on nothing.
 *
 * Many writers, any thread of the target (shim/ring_writer.h); one reader (daemon/ingest/). A
 * writer reserves the record number `head` unless RING_RECORDS of them are unread, fills it, and
 * commits it by its `number`. It never waits: what finds no room is counted in `dropped`, and the
 * reader asks for everything anew by `wanted`. A writer may be killed between any two stores: a
 * record that was reserved and is never committed is stepped over by the reader, and the check of
 * one that is written all the same after that does not match. All counters wrap. docs/ring.md tells
 * who believes what. */
#ifndef ECHION_COMMON_RING_H
#define ECHION_COMMON_RING_H

#include <stdatomic.h>
#include <stdint.h>

#define RING_MAGIC UINT64_C(0x676e69726e6f6963) /* "cionring" in memory */

#ifndef RING_RECORDS
#define RING_RECORDS 4096U /* a power of two; tests have fewer */
#endif

/* A reader that has not been there for so long is taken to have left, and nothing is written. */
enum { RING_SILENCE_MS = 5000 };

enum {
    RING_VERSION = 1,
    RING_PAYLOAD = 52,
    RING_LINE = 64, /* of the cache: what different sides write lies on different ones */
};

/* Record number n (from 0 on) is records[n % RING_RECORDS]. */
struct ring_record {
    _Atomic uint32_t number; /* n + 1 once committed; written last */
    uint32_t check;          /* ring_check() of the rest, and of n */
    uint16_t kind;           /* the reader skips those that it does not know */
    uint16_t size;           /* bytes of the payload in use */
    uint8_t payload[RING_PAYLOAD];
};

struct ring_header {
    /* Written once, before the daemon can see it. */
    uint64_t magic;
    uint32_t version, records, record_size;
    int32_t pid; /* in the target's PID namespace */
    uint8_t pad_constant[RING_LINE - 24];
    /* The writers'. */
    _Atomic uint32_t head;    /* records reserved so far */
    _Atomic uint32_t dropped; /* records that found no room */
    _Atomic uint32_t told; /* the last value of `wanted` for which everything was published anew */
    uint8_t pad_writers[RING_LINE - 12];
    /* The reader's. */
    _Atomic uint32_t tail; /* records read, or stepped over */
    _Atomic uint32_t
        heartbeat_ms;        /* CLOCK_MONOTONIC when the reader was last there; 0: it has left */
    _Atomic uint32_t wanted; /* advanced when everything is to be published anew */
    _Atomic uint32_t wants;  /* enum ring_wants; 0: nobody has read it yet */
    uint8_t pad_reader[RING_LINE - 16];
};

struct ring {
    struct ring_header header;
    struct ring_record records[RING_RECORDS];
};

_Static_assert(sizeof(struct ring_record) == RING_LINE, "a record is a line of the cache");
_Static_assert(sizeof(struct ring_header) == sizeof(uint8_t[3][RING_LINE]), "no hidden padding");
_Static_assert((RING_RECORDS & (RING_RECORDS - 1)) == 0, "a power of two");

/* What must agree for a record to be believed: a hash of its number and contents. */
static inline uint32_t ring_check(uint32_t number, uint16_t kind, uint16_t size,
                                  const uint8_t *payload) {
    uint64_t hash = number ^ (uint64_t)kind << 48 ^ (uint64_t)size << 32;
    for (unsigned i = 0; i < RING_PAYLOAD; i++) {
        hash = (hash ^ payload[i]) * UINT64_C(0x100000001B3); /* as FNV-1a does */
    }
    return (uint32_t)(hash ^ hash >> 32);
}

#endif
