#include "daemon/decode/code_units.h"

/* Flags that hold for whatever a site is specialised to. */
#define FAMILY_FLAGS ((uint16_t) ~(OP_VERSIONED_CALL | OP_UNJUDGED_CALL))

/* While boundaries behind an OP_HIDDEN instruction are searched, unit_flags[] holds marks. */
enum {
    MARK_LEADS_TO_END = 1 << 0, /* decoding from here reaches the end of the code exactly */
    MARK_REACHED = 1 << 1,      /* decoding from the start can come by here */
    MARK_LIVE = 1 << 10,        /* both; not a bit of any answer, so it can stand beside one */
};

/* The distance has four bits. No instruction has more than 10 (PRECALL and LOAD_METHOD of 3.11). */
enum { CACHES_MAX = 15 };

/* CACHE, number 0, has a name but is never executed. */
static bool is_instruction(const struct opcode_table *table, uint8_t opcode) {
    return opcode != 0 && table->ops[opcode].name != NULL;
}

/* Adds an instruction at `unit` to what its units can be. A unit that is nothing yet is 0. */
static void cover(uint16_t *unit_flags, size_t units, size_t unit, unsigned caches,
                  uint16_t flags) {
    for (unsigned distance = 0; distance <= caches && unit + distance < units; distance++) {
        uint16_t *cell = &unit_flags[unit + distance];
        uint16_t cache = distance > 0 ? UNIT_CACHE : 0;
        uint16_t answer = (uint16_t)(flags | cache | (distance << UNIT_DISTANCE_SHIFT));
        if (distance == 0 || *cell == 0) {
            *cell |= answer;
        } else {
            /* It can also be an instruction that begins nearer to it: keep that one's distance. */
            *cell |= OP_HIDDEN | flags;
        }
    }
}

/* One pass that believes the length of each instruction. */
static bool classify_straight(const struct opcode_table *table, const uint8_t *bytecode,
                              size_t units, uint16_t *unit_flags, bool *hidden) {
    bool sound = true;
    *hidden = false;
    for (size_t unit = 0; unit < units;) {
        const uint8_t opcode = bytecode[2 * unit];
        const struct opcode *op = &table->ops[opcode];
        if (!is_instruction(table, opcode) || unit + op->caches >= units) {
            sound = false;
        }
        if (op->flags & OP_HIDDEN) {
            *hidden = true;
        }
        for (size_t i = unit; i <= unit + op->caches && i < units; i++) {
            unit_flags[i] = 0;
        }
        cover(unit_flags, units, unit, op->caches, op->flags & FAMILY_FLAGS);
        unit += 1U + op->caches;
    }
    return sound;
}

/* Which numbers of inline cache units the instruction at `opcode` can have, as a bit set. */
static uint16_t cache_lengths(const struct opcode_table *table, uint8_t opcode) {
    if (!is_instruction(table, opcode)) {
        return 0;
    }
    if (!(table->ops[opcode].flags & OP_HIDDEN)) {
        return (uint16_t)(1U << (table->ops[opcode].caches & CACHES_MAX));
    }
    uint16_t lengths = 0;
    for (unsigned other = 1; other < 256; other++) {
        if (is_instruction(table, (uint8_t)other)) {
            lengths |= (uint16_t)(1U << (table->ops[other].caches & CACHES_MAX));
        }
    }
    return lengths;
}

/* Whether an instruction with `caches` may have its successor at `unit`. At the end of the code
 * only a return, a raise or a jump can stand, and of these JUMP_BACKWARD has the longest cache: one
 * unit. */
static bool fits(const uint16_t *unit_flags, size_t units, size_t unit, unsigned caches,
                 unsigned mark) {
    if (unit == units) {
        return caches <= 1;
    }
    return unit < units && (unit_flags[unit] & mark);
}

/* False, and nothing of use in unit_flags, if no choice of lengths leads to the end. */
static bool classify_hidden(const struct opcode_table *table, const uint8_t *bytecode, size_t units,
                            uint16_t *unit_flags) {
    uint16_t lengths_of[256];
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        lengths_of[opcode] = cache_lengths(table, (uint8_t)opcode);
    }

    for (size_t unit = units; unit-- > 0;) {
        const uint16_t lengths = lengths_of[bytecode[2 * unit]];
        unit_flags[unit] = 0;
        for (unsigned caches = 0; caches <= CACHES_MAX; caches++) {
            if ((lengths >> caches & 1) &&
                fits(unit_flags, units, unit + 1 + caches, caches, MARK_LEADS_TO_END)) {
                unit_flags[unit] = MARK_LEADS_TO_END;
            }
        }
    }
    if (!(unit_flags[0] & MARK_LEADS_TO_END)) {
        return false;
    }

    unit_flags[0] |= MARK_REACHED;
    for (size_t unit = 0; unit < units; unit++) {
        const bool live = unit_flags[unit] == (MARK_LEADS_TO_END | MARK_REACHED);
        const uint16_t lengths = live ? lengths_of[bytecode[2 * unit]] : 0;
        for (unsigned caches = 0; lengths >> caches != 0; caches++) {
            if ((lengths >> caches & 1) && unit + 1 + caches < units) {
                unit_flags[unit + 1 + caches] |= MARK_REACHED;
            }
        }
        unit_flags[unit] = live ? MARK_LIVE : 0;
    }

    /* Backwards, so that what begins nearest to a unit is there first. */
    for (size_t unit = units; unit-- > 0;) {
        const uint8_t opcode = bytecode[2 * unit];
        if (!(unit_flags[unit] & MARK_LIVE)) {
            continue;
        }
        for (unsigned caches = CACHES_MAX + 1; caches-- > 0;) {
            if ((lengths_of[opcode] >> caches & 1) &&
                fits(unit_flags, units, unit + 1 + caches, caches, MARK_LIVE)) {
                cover(unit_flags, units, unit, caches, table->ops[opcode].flags & FAMILY_FLAGS);
                break; /* the longest; a shorter one covers the same units */
            }
        }
    }
    for (size_t unit = 0; unit < units; unit++) {
        unit_flags[unit] &= (uint16_t)~MARK_LIVE;
    }
    return true;
}

bool code_units_classify(const struct opcode_table *table, const uint8_t *bytecode, size_t bytes,
                         uint16_t *unit_flags) {
    const size_t units = bytes / 2;
    bool hidden;
    const bool sound = classify_straight(table, bytecode, units, unit_flags, &hidden);
    if (!hidden) {
        return sound;
    }
    if (classify_hidden(table, bytecode, units, unit_flags)) {
        return true;
    }
    (void)classify_straight(table, bytecode, units, unit_flags, &hidden);
    return false;
}
