/* code_units: the class of each code unit (two bytes) of a code object, inline caches included.
 * Pure.
 *
 * Computed once per code object, off the hot path, from the live bytecode, specialised and
 * instrumented as it may be: specialisation happens in place and never moves a boundary. The answer
 * holds for the code object's lifetime, so it has the flags that a family shares, and not
 * OP_VERSIONED_CALL and OP_UNJUDGED_CALL: for these look at the opcode that stands in memory now
 * (opcode_flags()). */
#ifndef ECHION_DAEMON_DECODE_CODE_UNITS_H
#define ECHION_DAEMON_DECODE_CODE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/decode/opcodes.h"

/* Beside enum op_flag, in a unit's flags: it is part of an instruction's inline cache. A suspended
 * caller's prev_instr (3.11, 3.12) points to one. */
enum { UNIT_CACHE = 1 << 11 };

/* Units back to the first unit of the unit's instruction: 0 for the instruction itself. */
enum { UNIT_DISTANCE_SHIFT = 12 };

static inline unsigned unit_distance(uint16_t unit_flags) {
    return (unsigned)unit_flags >> UNIT_DISTANCE_SHIFT;
}

/* Fills unit_flags[0 .. bytes / 2 - 1] for `bytes` bytes of bytecode; an odd last byte is ignored.
 * False if this is not bytecode of the table's minor: an unknown instruction, or a cache beyond the
 * end. What can be told is filled in all the same; an unknown instruction counts as one unit.
 *
 * Behind an instruction with OP_HIDDEN the boundaries are found by trying every length that leads
 * to the end of the code. Where several do, a unit gets OP_HIDDEN and the flags of all that it can
 * be. */
bool code_units_classify(const struct opcode_table *table, const uint8_t *bytecode, size_t bytes,
                         uint16_t *unit_flags);

#endif
