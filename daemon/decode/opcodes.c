#include "daemon/decode/opcodes.h"

#include <stddef.h>

#include "daemon/decode/opcodes_rows.h"

const struct opcode_table *opcode_table_find(unsigned minor) {
    static const struct opcode_table *const tables[] = {
        &opcode_table_308, &opcode_table_309, &opcode_table_310, &opcode_table_311,
        &opcode_table_312, &opcode_table_313, &opcode_table_314, &opcode_table_315,
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (tables[i]->minor == minor) {
            return tables[i];
        }
    }
    return NULL;
}
