#include "daemon/output/place_memo.h"

#include <stdlib.h>

enum { PLACE_BITS = 14, PLACES = 1 << PLACE_BITS };

struct place {
    uint64_t serial; /* 0: free */
    uint32_t unit;
    struct location location;
};

struct place_memo {
    struct place places[PLACES];
};

enum status place_memo_create(struct place_memo **out) {
    struct place_memo *memo = calloc(1, sizeof *memo);
    if (memo == NULL) {
        return STATUS_NOMEM;
    }
    *out = memo;
    return STATUS_OK;
}

void place_memo_destroy(struct place_memo *memo) {
    free(memo);
}

const struct location *place_memo_find(struct place_memo *memo, const struct code *code,
                                       uint32_t unit) {
    uint64_t mixed = (code->serial << 24 ^ unit) * 0x9E3779B97F4A7C15U;
    struct place *place = &memo->places[mixed >> (64 - PLACE_BITS)];
    if (place->serial != code->serial || place->unit != unit) {
        place->serial = code->serial;
        place->unit = unit;
        code_locate(code, unit, &place->location);
    }
    return &place->location;
}
