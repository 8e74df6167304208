#include "daemon/output/place_memo.h"

#include <stdlib.h>

enum { PLACE_BITS = 14, PLACES = 1 << PLACE_BITS };

struct place {
    uint64_t serial; /* 0: free */
    uint32_t unit;
    struct location location;
};

struct place_memo {
    uint64_t budget; /* bytes of line tables that may still be decoded in this batch */
    struct location beyond;
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

void place_memo_begin(struct place_memo *memo) {
    memo->budget = PLACE_MEMO_BUDGET;
}

const struct location *place_memo_find(struct place_memo *memo, const struct code *code,
                                       uint32_t unit) {
    uint64_t mixed = (code->serial << 24 ^ unit) * 0x9E3779B97F4A7C15U;
    struct place *place = &memo->places[mixed >> (64 - PLACE_BITS)];
    if (place->serial != code->serial || place->unit != unit) {
        if (memo->budget < code->line_table_size) {
            memo->beyond = (struct location){.line = code->first_line};
            return &memo->beyond;
        }
        memo->budget -= code->line_table_size;
        place->serial = code->serial;
        place->unit = unit;
        code_locate(code, unit, &place->location);
    }
    return &place->location;
}
