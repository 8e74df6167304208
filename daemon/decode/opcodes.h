/* opcodes: what each instruction of one CPython minor can do, as data, for telling living frames
 * from dead ones. HOT: read per frame.
 *
 * Const tables with static storage, one per minor (opcodes_3XX.c); any thread may read them.
 * Numbers do not change among the patch releases of a minor: the magic number of .pyc files pins
 * them. tests/opcodes/check.py verifies every row against an interpreter, and prints new tables. */
#ifndef ECHION_DAEMON_DECODE_OPCODES_H
#define ECHION_DAEMON_DECODE_OPCODES_H

#include <stdint.h>

/* What an instruction can do. All members of a family (an instruction, what it is specialised to,
 * its INSTRUMENTED_ form) have the same flags but for the last two: a site can be specialised at
 * any moment, and a specialised instruction whose guard fails runs the plain one without rewriting
 * itself.
 *
 * Not covered: a function set with sys.settrace() or sys.setprofile() can be called at any
 * instruction up to 3.11; from 3.12 on only where an INSTRUMENTED_ form stands. */
enum op_flag {
    OP_RETURN = 1 << 0,           /* ends its frame with a value */
    OP_RETURN_GENERATOR = 1 << 1, /* its frame in the datastack ends, copied into a generator */
    OP_YIELD = 1 << 2,            /* suspends its frame */
    OP_INLINE_CALL = 1 << 3, /* from 3.11 on: can push a frame and run it in the same C frame */
    OP_CAN_CALL = 1 << 4,    /* can run Python code at all, inlined or called from C */
    OP_DEL_ONLY = 1 << 5,    /* with OP_CAN_CALL: by chance only, in a finaliser, a weak
                                reference's or the GC's callback, a signal handler */
    OP_GENERATOR_RESUME = 1 << 6, /* exists to resume a generator: for, yield from, await */
    OP_HIDDEN = 1 << 7,           /* stands in front of another instruction, which cannot be told
                                     from here: any of the above, any number of caches */
    OP_VERSIONED_CALL = 1 << 8,   /* its inline cache holds the func_version of the function that it
                                     calls inline (OPCODE_FUNC_VERSION_AT), unless a guard fails */
    OP_UNJUDGED_CALL = 1 << 9,    /* calls inline, and nothing at the site says which function */
};

/* Bytes from the start of an OP_VERSIONED_CALL instruction to the 32-bit func_version in its cache:
 * a unit for the instruction and one for the cache's counter (struct _PyCallCache in
 * Include/internal/pycore_code.h, the same in 3.11 to 3.15). */
enum { OPCODE_FUNC_VERSION_AT = 4 };

struct opcode {
    const char *name; /* NULL: no instruction of this minor has the number */
    uint8_t base;     /* the plain instruction of its family; itself if plain or OP_HIDDEN */
    uint8_t caches;   /* code units of inline cache that follow; 0 to 3.10 */
    uint16_t flags;   /* enum op_flag */
};

struct opcode_table {
    uint8_t minor; /* 8 .. 15 */
    struct opcode ops[256];
};

/* The table of CPython 3.`minor`; NULL if there is none. */
const struct opcode_table *opcode_table_find(unsigned minor);

/* Flags of an opcode as it stands in memory now, the last two included. 0 for an unknown number. */
static inline uint16_t opcode_flags(const struct opcode_table *table, uint8_t opcode) {
    return table->ops[opcode].flags;
}

#endif
