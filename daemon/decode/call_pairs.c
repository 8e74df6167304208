/* HOT: no allocation, lock, log or system call, except in create and destroy. */
#include "daemon/decode/call_pairs.h"

#include <stdlib.h>
#include <string.h>

enum {
    SLOTS = 1 << 15,
    FULL = SLOTS / 4 * 3,
    PROOF_COUNT = 3,
    PROOF_SHARE = 32, /* at least one in so many of the calls at a place */
};

/* How often one pair was noted, or all pairs of one place (callee 0). */
struct slot {
    uint64_t key; /* hash of the pair: strangers meet once in 2^49 look-ups; 0: free */
    uint64_t count;
};

struct call_pairs {
    struct slot slots[SLOTS];
    uint32_t used;
};

enum status call_pairs_create(struct call_pairs **out) {
    struct call_pairs *pairs = calloc(1, sizeof *pairs);
    if (pairs == NULL) {
        return STATUS_NOMEM;
    }
    *out = pairs;
    return STATUS_OK;
}

void call_pairs_destroy(struct call_pairs *pairs) {
    free(pairs);
}

static uint64_t mix(uint64_t value) {
    value ^= value >> 31;
    value *= UINT64_C(0x7FB5D329728EA185);
    value ^= value >> 27;
    value *= UINT64_C(0x81DADEF4BC2DD44D);
    return value ^ (value >> 33);
}

static uint64_t pair_key(const struct code *caller, uint32_t unit, uint64_t callee) {
    uint64_t key = mix(mix(mix(caller->serial) + unit) + callee);
    return key == 0 ? 1 : key;
}

static uint32_t slot_find(const struct call_pairs *pairs, uint64_t key) {
    uint32_t i = (uint32_t)(key >> 40) & (SLOTS - 1);
    while (pairs->slots[i].key != 0 && pairs->slots[i].key != key) {
        i = (i + 1) & (SLOTS - 1);
    }
    return i;
}

static void slot_count(struct call_pairs *pairs, uint64_t key, uint32_t times) {
    uint32_t i = slot_find(pairs, key);
    if (pairs->slots[i].key == 0) {
        pairs->slots[i].key = key;
        pairs->used++;
    }
    pairs->slots[i].count += times;
}

void call_pairs_note(struct call_pairs *pairs, const struct code *caller, uint32_t unit,
                     const struct code *callee, uint32_t times) {
    if (pairs->used >= FULL) {
        memset(pairs, 0, sizeof *pairs);
    }
    slot_count(pairs, pair_key(caller, unit, 0), times);
    slot_count(pairs, pair_key(caller, unit, callee->serial), times);
}

bool call_pairs_proven(const struct call_pairs *pairs, const struct code *caller, uint32_t unit,
                       const struct code *callee) {
    uint64_t count = pairs->slots[slot_find(pairs, pair_key(caller, unit, callee->serial))].count;
    return count >= PROOF_COUNT &&
           count * PROOF_SHARE >= pairs->slots[slot_find(pairs, pair_key(caller, unit, 0))].count;
}

bool call_pairs_seen(const struct call_pairs *pairs, const struct code *caller, uint32_t unit) {
    return pairs->slots[slot_find(pairs, pair_key(caller, unit, 0))].count > 0;
}
