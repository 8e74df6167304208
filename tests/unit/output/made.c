#include "tests/unit/output/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One co_linetable entry per unit, in the long form (CPython 3.11 Objects/locations.md): the first
 * byte has bit 7, the kind 14 and the number of units less one; then the line's difference (signed:
 * bit 0 is the sign), that of the end line, column + 1 and end column + 1. */
static uint8_t *make_table(uint32_t units) {
    static const uint8_t same_line[5] = {0x80 | 14 << 3, 0, 0, 5, 9};
    static const uint8_t next_line[5] = {0x80 | 14 << 3, 1 << 1, 0, 5, 9};
    uint8_t *table = malloc(5 * (size_t)units);
    if (table == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < units; i++) {
        memcpy(table + 5 * (size_t)i, i % 2 == 0 && i > 0 ? next_line : same_line, 5);
    }
    return table;
}

static struct code *make(const char *file, const char *function, int32_t first_line,
                         uint32_t units) {
    static uint64_t serial;
    struct code *code = calloc(1, sizeof *code);
    if (code == NULL) {
        abort();
    }
    code->serial = ++serial;
    code->file = file;
    code->function = function;
    code->units = units;
    code->line_format = LINE_FORMAT_PEP657;
    code->first_line = first_line;
    code->line_table = make_table(units);
    code->line_table_size = 5 * units;
    return code;
}

const struct code *made_code(const char *file, const char *function, int32_t first_line,
                             uint32_t units) {
    return make(file, function, first_line, units);
}

const struct code *made_hidden_code(void) {
    struct code *code = make("<shim>", "<interpreter trampoline>", 1, 1);
    code->hidden = true;
    return code;
}

uint32_t made_stack(struct batch *batch, const struct made_frame *frames, uint32_t count) {
    uint32_t node = BATCH_EMPTY_STACK;
    for (uint32_t i = 0; i < count; i++) {
        node = batch_child(batch, node, frames[i].code, frames[i].unit);
        if (node == BATCH_FULL) {
            abort();
        }
    }
    return node;
}
