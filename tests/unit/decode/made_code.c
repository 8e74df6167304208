#include "made_code.h"

#include <criterion/criterion.h>
#include <string.h>

#include "daemon/decode/code_build.h"

struct code *made_code(const struct py_layout *layout, uint64_t address, const char *name,
                       const char *const *instructions) {
    const struct opcode_table *table = opcode_table_find(layout->minor);
    uint8_t header[512] = {0};
    uint8_t bytecode[256] = {0};
    uint32_t size = 0;
    int32_t locals = 1;
    int32_t stacksize = MADE_CODE_WORDS - locals;
    for (; *instructions != NULL; instructions++) {
        unsigned opcode = 0;
        while (opcode < 256 && (table->ops[opcode].name == NULL ||
                                strcmp(table->ops[opcode].name, *instructions) != 0)) {
            opcode++;
        }
        cr_assert_lt(opcode, 256, "3.%u has no %s", layout->minor, *instructions);
        bytecode[size] = (uint8_t)opcode;
        size += 2U * (1U + table->ops[opcode].caches);
    }
    memcpy(header + layout->code.stacksize, &stacksize, sizeof stacksize);
    if (layout->code.nlocalsplus != LAYOUT_ABSENT) {
        memcpy(header + layout->code.nlocalsplus, &locals, sizeof locals);
    }
    if (layout->code.framesize != LAYOUT_ABSENT) {
        int32_t words = (int32_t)(layout->iframe.localsplus / layout->word_size) + MADE_CODE_WORDS;
        memcpy(header + layout->code.framesize, &words, sizeof words);
    }
    const struct string_object text = {.bytes = (uint8_t *)(uintptr_t)name,
                                       .length = (uint32_t)strlen(name),
                                       .kind = 1,
                                       .ascii = true};
    const struct code_source source = {
        .address = address,
        .header = header,
        .bytecode = bytecode,
        .bytecode_size = size,
        .filename = &text,
        .name = &text,
    };
    struct code *code = NULL;
    cr_assert_eq(code_build(layout, table, &source, &code), STATUS_OK);
    return code;
}
