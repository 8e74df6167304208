#include <criterion/criterion.h>
#include <string.h>

#include "daemon/decode/opcodes.h"

enum { FAMILY = 0xFFFF & ~(OP_VERSIONED_CALL | OP_UNJUDGED_CALL) };

static const struct opcode *find(unsigned minor, const char *name) {
    const struct opcode_table *table = opcode_table_find(minor);
    for (unsigned number = 0; number < 256; number++) {
        if (table->ops[number].name != NULL && strcmp(table->ops[number].name, name) == 0) {
            return &table->ops[number];
        }
    }
    cr_assert_fail("3.%u has no %s", minor, name);
    return NULL;
}

Test(opcodes, there_is_a_table_for_each_minor_we_know) {
    for (unsigned minor = 0; minor < 100; minor++) {
        const struct opcode_table *table = opcode_table_find(minor);
        cr_expect_eq(table != NULL, minor >= 8 && minor <= 15, "3.%u", minor);
        cr_expect(table == NULL || table->minor == minor);
    }
}

Test(opcodes, families_share_flags_and_caches) {
    for (unsigned minor = 8; minor <= 15; minor++) {
        const struct opcode_table *table = opcode_table_find(minor);
        for (unsigned number = 0; number < 256; number++) {
            const struct opcode *op = &table->ops[number];
            const struct opcode *base = &table->ops[op->base];
            if (op->name == NULL) {
                continue;
            }
            cr_expect_not_null(base->name, "3.%u %s", minor, op->name);
            cr_expect_eq(base->base, op->base, "3.%u %s", minor, op->name);
            cr_expect_eq(base->caches, op->caches, "3.%u %s", minor, op->name);
            cr_expect_eq(base->flags & FAMILY, op->flags & FAMILY, "3.%u %s", minor, op->name);
            cr_expect_leq(op->caches, 15, "3.%u %s", minor, op->name);
        }
    }
}

Test(opcodes, flags_are_consistent) {
    for (unsigned minor = 8; minor <= 15; minor++) {
        const struct opcode_table *table = opcode_table_find(minor);
        for (unsigned number = 0; number < 256; number++) {
            const uint16_t flags = opcode_flags(table, (uint8_t)number);
            if (flags & (OP_INLINE_CALL | OP_DEL_ONLY | OP_GENERATOR_RESUME)) {
                cr_expect(flags & OP_CAN_CALL, "3.%u %u", minor, number);
            }
            if (flags & (OP_VERSIONED_CALL | OP_UNJUDGED_CALL)) {
                cr_expect(flags & OP_INLINE_CALL, "3.%u %u", minor, number);
            }
            cr_expect_neq(flags & (OP_VERSIONED_CALL | OP_UNJUDGED_CALL),
                          OP_VERSIONED_CALL | OP_UNJUDGED_CALL, "3.%u %u", minor, number);
            if (minor <= 10) {
                cr_expect_eq(flags & OP_INLINE_CALL, 0, "3.%u %u", minor, number);
            }
        }
    }
}

Test(opcodes, the_ends_of_frames) {
    for (unsigned minor = 8; minor <= 15; minor++) {
        cr_expect_eq(find(minor, "RETURN_VALUE")->flags, OP_RETURN, "3.%u", minor);
        cr_expect(find(minor, "YIELD_VALUE")->flags & OP_YIELD, "3.%u", minor);
        if (minor >= 11) {
            cr_expect(find(minor, "RETURN_GENERATOR")->flags & OP_RETURN_GENERATOR, "3.%u", minor);
        }
    }
    cr_expect_eq(find(12, "INSTRUMENTED_RETURN_CONST")->flags, OP_RETURN);
    cr_expect_eq(find(13, "RETURN_CONST")->flags, OP_RETURN);
}

Test(opcodes, which_instructions_push_a_frame) {
    cr_expect(find(11, "CALL_PY_EXACT_ARGS")->flags & OP_INLINE_CALL);
    cr_expect(find(11, "BINARY_SUBSCR")->flags & OP_INLINE_CALL);
    cr_expect_not(find(11, "PRECALL")->flags & OP_INLINE_CALL);
    cr_expect(find(11, "PRECALL")->flags & OP_CAN_CALL);
    cr_expect_not(find(11, "FOR_ITER")->flags & OP_INLINE_CALL);
    cr_expect_not(find(11, "CALL_FUNCTION_EX")->flags & OP_INLINE_CALL);
    for (unsigned minor = 12; minor <= 15; minor++) {
        cr_expect(find(minor, "CALL_FUNCTION_EX")->flags & OP_INLINE_CALL);
        cr_expect(find(minor, "LOAD_ATTR_SLOT")->flags & OP_INLINE_CALL);
        cr_expect(find(minor, "INSTRUMENTED_CALL")->flags & OP_INLINE_CALL);
        cr_expect(find(minor, "SEND_GEN")->flags & OP_GENERATOR_RESUME);
    }
    cr_expect(find(13, "CALL_KW")->flags & OP_INLINE_CALL);
    cr_expect_not(find(13, "BINARY_OP")->flags & OP_INLINE_CALL);
    cr_expect(find(14, "BINARY_OP")->flags & OP_INLINE_CALL);
}

Test(opcodes, which_call_sites_name_their_callee) {
    for (unsigned minor = 11; minor <= 15; minor++) {
        cr_expect(find(minor, "CALL_PY_EXACT_ARGS")->flags & OP_VERSIONED_CALL);
        cr_expect(find(minor, "CALL")->flags & OP_UNJUDGED_CALL);
    }
    cr_expect(find(12, "CALL_PY_WITH_DEFAULTS")->flags & OP_VERSIONED_CALL);
    cr_expect(find(13, "CALL_BOUND_METHOD_GENERAL")->flags & OP_VERSIONED_CALL);
    cr_expect(find(14, "CALL_KW_PY")->flags & OP_VERSIONED_CALL);
    cr_expect(find(15, "CALL_EX_PY")->flags & OP_UNJUDGED_CALL);
    cr_expect(find(13, "BINARY_SUBSCR_GETITEM")->flags & OP_UNJUDGED_CALL);
    cr_expect(find(14, "BINARY_OP_SUBSCR_GETITEM")->flags & OP_UNJUDGED_CALL);
}

Test(opcodes, what_can_call_up_to_3_10) {
    for (unsigned minor = 8; minor <= 10; minor++) {
        cr_expect_eq(find(minor, "CALL_FUNCTION")->flags, OP_CAN_CALL);
        cr_expect_eq(find(minor, "POP_JUMP_IF_FALSE")->flags, OP_CAN_CALL);
        cr_expect_eq(find(minor, "POP_TOP")->flags, OP_CAN_CALL | OP_DEL_ONLY);
        cr_expect_eq(find(minor, "LOAD_FAST")->flags, 0);
        cr_expect(find(minor, "YIELD_FROM")->flags & OP_GENERATOR_RESUME);
    }
}
