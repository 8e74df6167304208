/* Any bytes as bytecode of any minor: each unit gets a class that holds together. Input: minor,
 * bytecode. */
#include <stdlib.h>
#include <string.h>

#include "daemon/decode/code_units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void check(size_t units, const uint16_t *flags) {
    for (size_t unit = 0; unit < units; unit++) {
        const unsigned distance = unit_distance(flags[unit]);
        require(distance <= unit);
        require((distance > 0) == ((flags[unit] & UNIT_CACHE) != 0));
        require((flags[unit] & (OP_VERSIONED_CALL | OP_UNJUDGED_CALL | 1 << 10)) == 0);
        require(unit_distance(flags[unit - distance]) == 0);
        /* A cache has all that its instruction has. */
        const uint16_t own = flags[unit - distance] & (UNIT_CACHE - 1) & ~OP_HIDDEN;
        require((flags[unit] & OP_HIDDEN) || (flags[unit] & own) == own);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) {
        return 0;
    }
    const struct opcode_table *table = opcode_table_find(8 + data[0] % 8);
    const size_t bytes = size - 1;
    uint8_t *bytecode = malloc(bytes > 0 ? bytes : 1);
    uint16_t *flags = malloc(bytes / 2 * sizeof *flags + 1);
    if (bytecode != NULL && flags != NULL) {
        memcpy(bytecode, data + 1, bytes);
        (void)code_units_classify(table, bytecode, bytes, flags);
        check(bytes / 2, flags);
    }
    free(flags);
    free(bytecode);
    return 0;
}
