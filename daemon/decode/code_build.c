#include "daemon/decode/code_build.h"

#include <stdlib.h>
#include <string.h>

#include "common/own_code.h"
#include "daemon/decode/code_units.h"
#include "daemon/decode/text.h"
#include "daemon/snapshot/thread_image.h"

enum {
    FRAME_WORDS_MAX = 1 << 20, /* a frame of 8 MiB */
};

/* _PyInterpreterFrame's words before localsplus, in the minors where frames lie in the datastack.
 */
static uint32_t specials_words(const struct py_layout *layout) {
    return layout->iframe.localsplus / layout->word_size;
}

static enum status frame_words_load(const struct py_layout *layout, const uint8_t *header,
                                    struct code *code) {
    int32_t nlocalsplus = image_int(header + layout->code.nlocalsplus);
    int32_t words;
    if (layout->code.framesize != LAYOUT_ABSENT) {
        words = image_int(header + layout->code.framesize);
    } else {
        /* 3.11: co_nlocalsplus + co_stacksize + FRAME_SPECIALS_SIZE (Python/pystate.c and
         * Include/internal/pycore_frame.h, 3.11.7). */
        int32_t stacksize = image_int(header + layout->code.stacksize);
        if (stacksize < 0 || stacksize > FRAME_WORDS_MAX || nlocalsplus > FRAME_WORDS_MAX) {
            return STATUS_CORRUPT;
        }
        words = nlocalsplus + stacksize + (int32_t)specials_words(layout);
    }
    if (nlocalsplus < 0 || words < (int32_t)specials_words(layout) || words > FRAME_WORDS_MAX ||
        nlocalsplus > words - (int32_t)specials_words(layout)) {
        return STATUS_CORRUPT;
    }
    code->nlocalsplus = (uint32_t)nlocalsplus;
    code->frame_words = (uint32_t)words;
    return STATUS_OK;
}

void code_identity_load(const struct py_layout *layout, const uint8_t *header,
                        struct code_identity *out) {
    const unsigned w = layout->word_size;
    *out = (struct code_identity){
        .name = image_word(header + layout->code.name, w),
        .filename = image_word(header + layout->code.filename, w),
        .line_table = image_word(header + layout->code.linetable, w),
        .first_line = image_int(header + layout->code.firstlineno),
    };
    if (layout->code.version != LAYOUT_ABSENT) {
        out->version = (uint32_t)image_int(header + layout->code.version);
    }
    if (layout->frame_model == FRAME_MODEL_HEAP_CHAIN) {
        out->version = image_word(header + layout->code.bytecode, w);
    } else {
        out->units = (uint32_t)image_word(header + layout->code.ob_size, w);
    }
}

bool code_identity_equal(const struct code_identity *a, const struct code_identity *b) {
    return a->name == b->name && a->filename == b->filename && a->line_table == b->line_table &&
           a->version == b->version && a->first_line == b->first_line && a->units == b->units;
}

/* Whether this is code that the interpreter itself makes to run __init__ from a class call: its
 * first instruction stands in no compiled code (the shim of _Py_InitCleanup in
 * Python/specialize.c, 3.12 to 3.15). Other trampolines have their file name "<interpreter
 * trampoline>" (Python/pylifecycle.c). */
static bool code_is_trampoline(const struct opcode_table *opcodes, const struct code *code,
                               const struct code_source *source) {
    const char *first = source->bytecode_size > 0 ? opcodes->ops[source->bytecode[0]].name : NULL;
    return (first != NULL && strcmp(first, "EXIT_INIT_CHECK") == 0) ||
           strcmp(code->file, "<interpreter trampoline>") == 0;
}

/* Whether this is what we have the target run ourselves. */
static bool code_is_ours(const struct py_layout *layout, const struct code *code,
                         const uint8_t *header) {
    return image_int(header + layout->code.stacksize) == OWN_CODE_STACK &&
           strcmp(code->file, OWN_CODE_FILE) == 0 && strcmp(code->function, OWN_CODE_NAME) == 0;
}

static uint32_t generator_find(const struct code *code) {
    for (uint32_t i = 0; i < code->units; i++) {
        if ((code->unit_flags[i] & OP_RETURN_GENERATOR) != 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* Copies names, units and line table into one block behind the struct. */
static enum status code_fill(const struct opcode_table *opcodes, const struct code_source *source,
                             const char *file, size_t file_size, const char *function,
                             size_t function_size, struct code **out) {
    size_t units = source->bytecode_size / 2;
    size_t extra = units * sizeof(uint16_t) + source->line_table_size + file_size + function_size;
    struct code *code = calloc(1, sizeof *code + extra);
    if (code == NULL) {
        return STATUS_NOMEM;
    }
    uint16_t *flags = (uint16_t *)(code + 1);
    uint8_t *line_table = (uint8_t *)(flags + units);
    char *file_copy = (char *)line_table + source->line_table_size;
    char *function_copy = file_copy + file_size;
    (void)code_units_classify(opcodes, source->bytecode, source->bytecode_size, flags);
    if (source->line_table_size > 0) {
        memcpy(line_table, source->line_table, source->line_table_size);
    }
    memcpy(file_copy, file, file_size);
    memcpy(function_copy, function, function_size);
    code->bytes = sizeof *code + extra;
    code->unit_flags = flags;
    code->units = (uint32_t)units;
    code->line_table = line_table;
    code->line_table_size = source->line_table_size;
    code->file = file_copy;
    code->function = function_copy;
    *out = code;
    return STATUS_OK;
}

enum status code_build(const struct py_layout *layout, const struct opcode_table *opcodes,
                       const struct code_source *source, struct code **out) {
    char file[TEXT_MAX];
    char function[TEXT_MAX];
    struct code *code = NULL;
    struct code geometry = {.serial = 0};
    if (layout->frame_model != FRAME_MODEL_HEAP_CHAIN) {
        enum status status = frame_words_load(layout, source->header, &geometry);
        if (status != STATUS_OK) {
            return status;
        }
    }
    size_t file_size = text_from_string(source->filename, TEXT_FILE, file) + 1;
    size_t function_size = text_from_string(source->name, TEXT_FUNCTION, function) + 1;
    enum status status =
        code_fill(opcodes, source, file, file_size, function, function_size, &code);
    if (status != STATUS_OK) {
        return status;
    }
    code->address = raddr_make(source->address);
    code_identity_load(layout, source->header, &code->identity);
    code->flags = (uint32_t)image_int(source->header + layout->code.flags);
    code->frame_words = geometry.frame_words;
    code->nlocalsplus = geometry.nlocalsplus;
    code->bytecode_at = layout->frame_model == FRAME_MODEL_HEAP_CHAIN ? 0 : layout->code.bytecode;
    code->line_format = layout->line_format;
    code->first_line = image_int(source->header + layout->code.firstlineno);
    code->hidden =
        code_is_trampoline(opcodes, code, source) || code_is_ours(layout, code, source->header);
    code->generator_at = generator_find(code);
    *out = code;
    return STATUS_OK;
}
