#include "daemon/service/code_loader.h"

#include <stdlib.h>
#include <string.h>

#include "common/guard.h"
#include "daemon/decode/code_build.h"
#include "daemon/python/string_object.h"
#include "daemon/snapshot/thread_image.h"

enum {
    HEADER_MAX = 512,         /* bytes of a code object before its code units, at most */
    LINE_TABLE_MAX = 4 << 20, /* a code object of half a million lines has less */
};

void code_loader_init(struct code_loader *loader, const struct memory *memory,
                      const struct py_layout *layout, const struct opcode_table *opcodes,
                      struct code_cache *codes) {
    *loader = (struct code_loader){
        .memory = memory,
        .layout = layout,
        .opcodes = opcodes,
        .codes = codes,
    };
}

/* Whether `type` is the address of the type object of code objects, by its name. */
static enum status type_is_code(struct code_loader *loader, uint64_t type, bool *is_code) {
    for (uint32_t i = 0; i < loader->code_type_count; i++) {
        if (loader->code_types[i] == type) {
            *is_code = true;
            return STATUS_OK;
        }
    }
    *is_code = false;
    uint64_t name_at = 0;
    char name[sizeof "code"] = "";
    enum status status =
        memory_read_word(loader->memory, raddr_make(type + loader->layout->type.name), &name_at);
    if (status == STATUS_OK) {
        status = memory_read(loader->memory, raddr_make(name_at), name, sizeof name);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (memcmp(name, "code", sizeof name) == 0 && loader->code_type_count < CODE_TYPES_MAX) {
        loader->code_types[loader->code_type_count++] = type;
        *is_code = true;
    }
    return STATUS_OK;
}

static uint32_t header_size(const struct py_layout *layout) {
    uint32_t size = layout->code.linetable + layout->word_size;
    const uint32_t fields[] = {layout->code.bytecode, layout->code.qualname, layout->code.version,
                               layout->code.name, layout->code.firstlineno};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i] != LAYOUT_ABSENT && fields[i] + layout->word_size > size) {
            size = fields[i] + layout->word_size;
        }
    }
    return size;
}

/* Reads a bytes object whole into new memory. */
static enum status bytes_read(const struct code_loader *loader, uint64_t address, uint32_t limit,
                              uint8_t **out, uint32_t *out_size) {
    const struct py_layout *layout = loader->layout;
    uint64_t size = 0;
    enum status status =
        memory_read_word(loader->memory, raddr_make(address + layout->bytes.size), &size);
    if (status != STATUS_OK) {
        return status;
    }
    if (size > limit) {
        return STATUS_CORRUPT;
    }
    GUARD_FREE uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) {
        return STATUS_NOMEM;
    }
    if (size > 0) {
        status = memory_read(loader->memory, raddr_make(address + layout->bytes.data), bytes, size);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *out = bytes;
    *out_size = (uint32_t)size;
    bytes = NULL;
    return STATUS_OK;
}

/* Reads the code units: inside the code object from 3.11 on, a bytes object before. */
static enum status bytecode_read(const struct code_loader *loader, uint64_t address,
                                 const uint8_t *header, uint8_t **out, uint32_t *out_size) {
    const struct py_layout *layout = loader->layout;
    if (layout->frame_model == FRAME_MODEL_HEAP_CHAIN) {
        uint64_t object = image_word(header + layout->code.bytecode, layout->word_size);
        return bytes_read(loader, object, CODE_BYTES_MAX, out, out_size);
    }
    uint64_t units = image_word(header + layout->code.ob_size, layout->word_size);
    if (units == 0 || units > CODE_BYTES_MAX / 2) {
        return STATUS_CORRUPT;
    }
    GUARD_FREE uint8_t *bytes = malloc(units * 2);
    if (bytes == NULL) {
        return STATUS_NOMEM;
    }
    enum status status =
        memory_read(loader->memory, raddr_make(address + layout->code.bytecode), bytes, units * 2);
    if (status != STATUS_OK) {
        return status;
    }
    *out = bytes;
    *out_size = (uint32_t)units * 2;
    bytes = NULL;
    return STATUS_OK;
}

/* Reads and builds the code object whose header is given. */
static enum status code_load(const struct code_loader *loader, uint64_t address,
                             const uint8_t *header, struct code **out) {
    const struct py_layout *layout = loader->layout;
    const unsigned w = layout->word_size;
    GUARD_FREE uint8_t *bytecode = NULL;
    GUARD_FREE uint8_t *line_table = NULL;
    struct code_source source = {.address = address, .header = header};
    struct string_object filename STRING_OBJECT_GUARD = {.bytes = NULL};
    struct string_object name STRING_OBJECT_GUARD = {.bytes = NULL};
    enum status status = bytecode_read(loader, address, header, &bytecode, &source.bytecode_size);
    if (status == STATUS_OK) {
        status = bytes_read(loader, image_word(header + layout->code.linetable, w), LINE_TABLE_MAX,
                            &line_table, &source.line_table_size);
    }
    if (status == STATUS_OK) {
        status = string_object_read(loader->memory, layout,
                                    raddr_make(image_word(header + layout->code.filename, w)),
                                    &filename);
    }
    uint32_t name_at =
        layout->code.qualname != LAYOUT_ABSENT ? layout->code.qualname : layout->code.name;
    if (status == STATUS_OK) {
        status = string_object_read(loader->memory, layout,
                                    raddr_make(image_word(header + name_at, w)), &name);
    }
    if (status != STATUS_OK) {
        return status;
    }
    source.bytecode = bytecode;
    source.line_table = line_table;
    source.filename = &filename;
    source.name = &name;
    return code_build(layout, loader->opcodes, &source, out);
}

enum status code_loader_learn(struct code_loader *loader, uint64_t address, uint64_t now_ns) {
    uint8_t header[HEADER_MAX];
    struct code_entry *entry = code_cache_find(loader->codes, address);
    bool is_code = false;
    enum status status =
        memory_read(loader->memory, raddr_make(address), header, header_size(loader->layout));
    if (status == STATUS_OK) {
        status = type_is_code(
            loader, image_word(header + loader->layout->object.ob_type, loader->layout->word_size),
            &is_code);
    }
    if (status == STATUS_GONE || status == STATUS_DENIED) {
        return status;
    }
    struct code *code = NULL;
    if (status == STATUS_OK && is_code) {
        struct code_identity identity;
        code_identity_load(loader->layout, header, &identity);
        if (entry != NULL && entry->code != NULL && entry->gone_at == 0 &&
            code_identity_equal(&entry->code->identity, &identity)) {
            code_entry_confirm(entry, now_ns);
            return STATUS_OK;
        }
        status = code_load(loader, address, header, &code);
        if (status == STATUS_GONE || status == STATUS_DENIED || status == STATUS_NOMEM) {
            return status;
        }
    }
    if (code == NULL && entry != NULL && entry->code == NULL && entry->gone_at == 0) {
        code_entry_confirm(entry, now_ns);
        return STATUS_OK;
    }
    return code_cache_put(loader->codes, address, code, now_ns);
}
