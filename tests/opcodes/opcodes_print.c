/* opcodes_print: the opcode tables as text, one instruction a line, for check.py. */
#include <stdio.h>

#include "daemon/decode/opcodes.h"

static void print_flags(uint16_t flags) {
    static const char *const names[] = {
        "OP_RETURN",   "OP_RETURN_GENERATOR", "OP_YIELD",  "OP_INLINE_CALL",    "OP_CAN_CALL",
        "OP_DEL_ONLY", "OP_GENERATOR_RESUME", "OP_HIDDEN", "OP_VERSIONED_CALL", "OP_UNJUDGED_CALL",
    };
    for (size_t bit = 0; bit < sizeof names / sizeof *names; bit++) {
        if (flags >> bit & 1) {
            printf(" %s", names[bit]);
        }
    }
}

int main(void) {
    for (unsigned minor = 0; minor < 100; minor++) {
        const struct opcode_table *table = opcode_table_find(minor);
        if (table == NULL) {
            continue;
        }
        for (unsigned number = 0; number < 256; number++) {
            const struct opcode *op = &table->ops[number];
            if (op->name == NULL) {
                continue;
            }
            printf("%u %u %s %s %u", minor, number, op->name, table->ops[op->base].name,
                   op->caches);
            print_flags(op->flags);
            putchar('\n');
        }
    }
    return 0;
}
