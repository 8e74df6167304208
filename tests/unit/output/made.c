#include "tests/unit/output/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNITS_MAX = 200, ENTRY_SIZE = 5 };

/* Kept in a list, so that nothing is lost track of. */
struct made {
    struct made *next;
    struct code code;
    char *file, *function;
    uint8_t table[UNITS_MAX * ENTRY_SIZE];
};

/* One co_linetable entry per unit, in the long form (CPython 3.11 Objects/locations.md): the first
 * byte has bit 7, the kind 14 and the number of units less one; then the line's difference (signed:
 * bit 0 is the sign), that of the end line, column + 1 and end column + 1. */
static void make_table(uint8_t *table, uint32_t units) {
    static const uint8_t same_line[ENTRY_SIZE] = {0x80 | 14 << 3, 0, 0, 5, 9};
    static const uint8_t next_line[ENTRY_SIZE] = {0x80 | 14 << 3, 1 << 1, 0, 5, 9};
    for (uint32_t i = 0; i < units; i++) {
        const uint8_t *entry = i % 2 == 0 && i > 0 ? next_line : same_line;
        memcpy(table + ENTRY_SIZE * (size_t)i, entry, ENTRY_SIZE);
    }
}

static struct code *make(const char *file, const char *function, int32_t first_line,
                         uint32_t units) {
    static struct made *all;
    static uint64_t serial;
    struct made *made = calloc(1, sizeof *made);
    if (made == NULL || units > UNITS_MAX || (made->file = strdup(file)) == NULL ||
        (made->function = strdup(function)) == NULL) {
        abort();
    }
    make_table(made->table, units);
    made->code = (struct code){
        .serial = ++serial,
        .file = made->file,
        .function = made->function,
        .units = units,
        .line_format = LINE_FORMAT_PEP657,
        .first_line = first_line,
        .line_table = made->table,
        .line_table_size = ENTRY_SIZE * units,
    };
    made->next = all;
    all = made;
    return &made->code;
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
