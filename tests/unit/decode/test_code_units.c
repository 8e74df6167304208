#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/decode/code_units.h"

enum { UNITS_MAX = 64 };

struct bytecode {
    const struct opcode_table *table;
    uint8_t bytes[2 * UNITS_MAX];
    size_t units;
    uint16_t flags[UNITS_MAX];
};

static uint8_t number_of(const struct opcode_table *table, const char *name) {
    for (unsigned number = 0; number < 256; number++) {
        if (table->ops[number].name != NULL && strcmp(table->ops[number].name, name) == 0) {
            return (uint8_t)number;
        }
    }
    cr_assert_fail("3.%u has no %s", table->minor, name);
    return 0;
}

static struct bytecode begin(unsigned minor) {
    struct bytecode code = {.table = opcode_table_find(minor)};
    return code;
}

static void add(struct bytecode *code, const char *name) {
    code->bytes[2 * code->units++] = number_of(code->table, name);
}

/* Inline cache whose bytes look like instructions. */
static void add_cache(struct bytecode *code, size_t units) {
    for (size_t i = 0; i < units; i++) {
        add(code, "NOP");
    }
}

static bool classify(struct bytecode *code) {
    return code_units_classify(code->table, code->bytes, 2 * code->units, code->flags);
}

Test(code_units, caches_have_the_class_of_their_instruction) {
    struct bytecode code = begin(12);
    add(&code, "RESUME");
    add(&code, "CALL_PY_EXACT_ARGS");
    add_cache(&code, 3);
    add(&code, "RETURN_VALUE");
    cr_assert(classify(&code));
    cr_expect_eq(code.flags[0], OP_CAN_CALL | OP_DEL_ONLY);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_eq(unit_distance(code.flags[1 + i]), i);
        cr_expect_eq(!!(code.flags[1 + i] & UNIT_CACHE), i > 0);
        cr_expect_eq(code.flags[1 + i] & 0x7FF, OP_INLINE_CALL | OP_CAN_CALL);
    }
    cr_expect_eq(code.flags[5], OP_RETURN);
}

Test(code_units, specialised_code_has_the_class_of_plain_code) {
    static const char *const calls[] = {"CALL", "CALL_LEN", "CALL_PY_GENERAL", "INSTRUMENTED_CALL"};
    uint16_t plain[UNITS_MAX] = {0};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct bytecode code = begin(13);
        add(&code, calls[i]);
        add_cache(&code, 3);
        add(&code, "RETURN_VALUE");
        cr_assert(classify(&code));
        if (i == 0) {
            memcpy(plain, code.flags, sizeof plain);
        }
        cr_expect_arr_eq(code.flags, plain, sizeof plain);
    }
}

Test(code_units, up_to_3_10_every_unit_is_an_instruction) {
    struct bytecode code = begin(9);
    add(&code, "LOAD_GLOBAL");
    add(&code, "CALL_FUNCTION");
    add(&code, "RETURN_VALUE");
    cr_assert(classify(&code));
    cr_expect_eq(code.flags[0], OP_CAN_CALL | OP_DEL_ONLY);
    cr_expect_eq(code.flags[1], OP_CAN_CALL);
    cr_expect_eq(code.flags[2], OP_RETURN);
}

Test(code_units, a_cache_beyond_the_end_is_unsound) {
    struct bytecode code = begin(13);
    add(&code, "NOP");
    add(&code, "CALL");
    add_cache(&code, 2);
    cr_expect_not(classify(&code));
    cr_expect_eq(unit_distance(code.flags[3]), 2);
}

Test(code_units, an_unknown_instruction_is_unsound_and_one_unit) {
    struct bytecode code = begin(13);
    code.bytes[0] = 0;
    code.bytes[2] = 255;
    code.units = 2;
    add(&code, "RETURN_VALUE");
    cr_expect_not(classify(&code));
    cr_expect_eq(code.flags[1], 0);
    cr_expect_eq(code.flags[2], OP_RETURN);
}

Test(code_units, no_code_is_sound) {
    cr_expect(code_units_classify(opcode_table_find(13), NULL, 0, NULL));
}

Test(code_units, a_hidden_instruction_whose_length_shows) {
    /* What follows decodes to the end only if the hidden one has three units of cache: zeros are no
     * instructions. */
    struct bytecode code = begin(13);
    add(&code, "INSTRUMENTED_LINE");
    code.units += 3;
    add(&code, "RETURN_VALUE");
    cr_assert(classify(&code));
    for (unsigned i = 0; i < 4; i++) {
        cr_expect(code.flags[i] & OP_HIDDEN);
        cr_expect_eq(unit_distance(code.flags[i]), i);
        cr_expect_eq(!!(code.flags[i] & UNIT_CACHE), i > 0);
    }
    cr_expect_eq(code.flags[4], OP_RETURN);
}

Test(code_units, a_hidden_instruction_of_unsure_length) {
    struct bytecode code = begin(13);
    add(&code, "INSTRUMENTED_LINE"); /* with one unit of cache or without */
    add(&code, "NOP");
    add(&code, "CALL");
    code.units += 3;
    add(&code, "RETURN_VALUE");
    cr_assert(classify(&code));
    cr_expect(code.flags[0] & OP_HIDDEN);
    cr_expect(code.flags[1] & OP_HIDDEN);
    cr_expect_eq(unit_distance(code.flags[1]), 0);
    cr_expect(code.flags[2] & OP_INLINE_CALL);
    cr_expect_eq(code.flags[6] & 0x7FF & ~OP_HIDDEN, OP_RETURN);
}

Test(code_units, no_length_of_a_hidden_instruction_leads_to_the_end) {
    struct bytecode code = begin(13);
    add(&code, "INSTRUMENTED_LINE");
    code.units += 20;
    cr_expect_not(classify(&code));
    cr_expect_eq(code.flags[0] & OP_HIDDEN, OP_HIDDEN);
    cr_expect_eq(code.flags[5], 0);
}
