/* Any bytes as a code object of any minor: it is refused, or what is made of it holds together.
 * Input: minor and word size, six small sizes, then header, bytecode, line table and names. */
#include <stdlib.h>
#include <string.h>

#include "daemon/decode/code_build.h"
#include "daemon/decode/line_table.h"

enum { HEADER_MAX = 512, FRAME_BYTES_MAX = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    size_t left;
};

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static uint8_t take(struct input *input) {
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->at++;
}

/* The next `size` bytes, as few as there are, in memory of their own that has just that size. */
static uint8_t *part_take(struct input *input, size_t size, bool padded, uint32_t *out_size) {
    size_t got = size < input->left ? size : input->left;
    size_t room = padded ? size : got;
    uint8_t *part = calloc(1, room > 0 ? room : 1);
    require(part != NULL);
    if (got > 0) {
        memcpy(part, input->at, got);
        input->at += got;
        input->left -= got;
    }
    *out_size = (uint32_t)room;
    return part;
}

static struct string_object string_take(struct input *input, uint8_t shape, uint32_t length) {
    static const uint8_t kinds[] = {1, 1, 2, 4};
    struct string_object string = {.kind = kinds[shape % 4], .length = length};
    uint32_t bytes = 0;
    string.bytes = part_take(input, (size_t)length * string.kind, true, &bytes);
    string.ascii = shape % 4 == 0;
    for (uint32_t i = 0; string.ascii && i < bytes; i++) {
        string.bytes[i] &= 0x7F;
    }
    return string;
}

/* Bytes of a header that are looked at: whatever stands before the code units. */
static size_t header_size(const struct py_layout *layout) {
    size_t end = 0;
    const uint32_t fields[] = {
        layout->code.flags,    layout->code.firstlineno, layout->code.stacksize,
        layout->code.filename, layout->code.name,        layout->code.linetable,
        layout->code.version,  layout->code.framesize,   layout->code.nlocalsplus,
        layout->code.qualname, layout->code.ob_size,     layout->code.argcount,
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i] != LAYOUT_ABSENT && fields[i] + layout->word_size > end) {
            end = fields[i] + layout->word_size;
        }
    }
    if (layout->frame_model == FRAME_MODEL_HEAP_CHAIN &&
        layout->code.bytecode + layout->word_size > end) {
        end = layout->code.bytecode + layout->word_size;
    }
    require(end <= HEADER_MAX);
    return end;
}

static void code_check(const struct py_layout *layout, const struct code *code,
                       const struct code_source *source) {
    require(code->address.v == source->address && code->units == source->bytecode_size / 2);
    require(memchr(code->file, '\n', strlen(code->file)) == NULL);
    require(memchr(code->function, '\n', strlen(code->function)) == NULL);
    require(code->generator_at == UINT32_MAX || code->generator_at < code->units);
    require(code_bytes(code) >= sizeof *code);
    if (layout->frame_model != FRAME_MODEL_HEAP_CHAIN) {
        /* A walk goes on by this: never by nothing, never far. */
        uint64_t bytes = (uint64_t)code->frame_words * layout->word_size;
        require(bytes >= layout->iframe.localsplus && bytes <= FRAME_BYTES_MAX);
        require(code->nlocalsplus * (uint64_t)layout->word_size + layout->iframe.localsplus <=
                bytes);
    }
    struct code_identity again;
    code_identity_load(layout, source->header, &again);
    require(code_identity_equal(&code->identity, &again));
    for (uint32_t unit = 0; unit < code->units && unit < 16; unit++) {
        struct location location;
        code_locate(code, unit, &location);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {.at = data, .left = size};
    uint8_t options = take(&input);
    const struct py_layout *layout = layout_find(3, 8 + options % 8, (options & 8) != 0 ? 4 : 8);
    uint8_t shapes = take(&input);
    uint32_t name_length = take(&input);
    uint32_t file_length = take(&input) * (shapes >= 0x80 ? 16U : 1U);
    size_t units_bytes = take(&input);
    size_t table_bytes = take(&input);
    uint32_t header_bytes = 0;
    struct code_source source = {.address = 0x7F0000001000};
    uint8_t *header = part_take(&input, header_size(layout), true, &header_bytes);
    uint8_t *bytecode = part_take(&input, units_bytes, false, &source.bytecode_size);
    uint8_t *table = part_take(&input, table_bytes, false, &source.line_table_size);
    struct string_object name = string_take(&input, shapes, name_length);
    struct string_object file = string_take(&input, shapes / 4, file_length);
    source.header = header;
    source.bytecode = bytecode;
    source.line_table = table;
    source.name = &name;
    source.filename = &file;
    struct code *code = NULL;
    enum status status = code_build(layout, opcode_table_find(layout->minor), &source, &code);
    require(status == STATUS_OK || (status == STATUS_CORRUPT && code == NULL));
    if (status == STATUS_OK) {
        code_check(layout, code, &source);
    }
    code_destroy(code);
    free(file.bytes);
    free(name.bytes);
    free(table);
    free(bytecode);
    free(header);
    return 0;
}
