/* program_fuzz: a made-up program for the fuzzers of the stack walks: their input, taken byte by
 * byte, and code objects made from it. For the fuzzers only. */
#ifndef ECHION_TESTS_FUZZ_PROGRAM_FUZZ_H
#define ECHION_TESTS_FUZZ_PROGRAM_FUZZ_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/decode/code_build.h"
#include "daemon/decode/code_cache.h"

enum {
    INSTRUCTIONS_MAX = 12,
    UNITS_MAX = INSTRUCTIONS_MAX * 16,
};

struct input {
    const uint8_t *at;
    size_t left;
};

static inline void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static inline void *allocate(size_t size) {
    void *memory = calloc(1, size > 0 ? size : 1);
    require(memory != NULL);
    return memory;
}

static inline uint8_t take(struct input *input) {
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->at++;
}

static inline void target_word_put(const struct py_layout *layout, uint8_t *bytes, uint64_t word) {
    if (layout->word_size == 8) {
        memcpy(bytes, &word, sizeof word);
    } else {
        uint32_t half = (uint32_t)word;
        memcpy(bytes, &half, sizeof half);
    }
}

static inline void target_int_put(uint8_t *bytes, int32_t value) {
    memcpy(bytes, &value, sizeof value);
}

static inline uint64_t code_address(unsigned index) {
    return 0x10000 + (uint64_t)index * 0x1000;
}

/* An opcode of a class that the walk tells apart: the first one of the minor, or the next ones. */
static inline uint8_t opcode_choose(const struct opcode_table *table, uint8_t choice) {
    static const uint16_t classes[] = {0,
                                       OP_RETURN,
                                       OP_RETURN_GENERATOR,
                                       OP_YIELD,
                                       OP_INLINE_CALL | OP_CAN_CALL,
                                       OP_GENERATOR_RESUME,
                                       OP_CAN_CALL,
                                       OP_HIDDEN};
    uint16_t wanted = classes[choice % 8];
    unsigned skip = choice / 8 % 4;
    uint8_t found = 0;
    for (unsigned opcode = 1; opcode < 256; opcode++) {
        if (table->ops[opcode].name != NULL && (table->ops[opcode].flags & wanted) == wanted) {
            found = (uint8_t)opcode;
            if (skip-- == 0) {
                break;
            }
        }
    }
    return found;
}

/* Makes a code object of made-up bytecode, for a datastack with room for some words, and puts it
 * into the cache, to be believed for long. */
static inline const struct code *code_make(struct input *input, const struct py_layout *layout,
                                           struct code_cache *codes, unsigned index,
                                           uint32_t co_flags) {
    const struct opcode_table *table = opcode_table_find(layout->minor);
    static uint8_t letters[] = {'f'};
    const struct string_object name = {.bytes = letters, .length = 1, .kind = 1, .ascii = true};
    uint8_t header[512] = {0};
    uint8_t bytecode[2 * UNITS_MAX] = {0};
    uint32_t units = 0;
    require(layout->code.bytecode <= sizeof header);
    uint32_t instructions = 1U + take(input) % INSTRUCTIONS_MAX;
    for (uint32_t i = 0; i < instructions; i++) {
        uint8_t opcode = opcode_choose(table, take(input));
        bytecode[2 * units] = opcode;
        units += 1U + table->ops[opcode].caches;
    }
    if (layout->frame_model != FRAME_MODEL_HEAP_CHAIN) {
        int32_t specials = (int32_t)(layout->iframe.localsplus / layout->word_size);
        int32_t locals = take(input) % 8;
        int32_t stacksize = take(input) % 8;
        target_int_put(header + layout->code.nlocalsplus, locals);
        if (layout->code.framesize != LAYOUT_ABSENT) {
            target_int_put(header + layout->code.framesize, specials + locals + stacksize);
        } else {
            target_int_put(header + layout->code.stacksize, stacksize);
        }
    }
    target_int_put(header + layout->code.flags, (int32_t)co_flags);
    const struct code_source source = {
        .address = code_address(index),
        .header = header,
        .bytecode = bytecode,
        .bytecode_size = units * 2,
        .filename = &name,
        .name = &name,
    };
    struct code *code = NULL;
    require(code_build(layout, table, &source, &code) == STATUS_OK);
    require(code_cache_put(codes, source.address, code, 1) == STATUS_OK);
    code_entry_confirm(code_cache_find(codes, source.address), UINT64_C(1) << 40);
    return code;
}

#endif
