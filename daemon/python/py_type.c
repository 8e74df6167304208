#include "daemon/python/py_type.h"

static uint32_t max_u32(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static bool type_read(struct py_reader *reader, struct raddr address, struct py_type *out) {
    const struct py_layout *layout = py_reader_layout(reader);
    uint32_t last =
        max_u32(max_u32(layout->type.flags, layout->type.basicsize), layout->type.dictoffset);
    const uint8_t *bytes = py_reader_read(reader, address, last + layout->word_size);
    if (bytes == NULL) {
        return false;
    }
    struct py_type type = {
        .address = address,
        .flags = py_reader_word(reader, bytes + layout->type.flags),
        .basicsize = py_reader_word(reader, bytes + layout->type.basicsize),
    };
    uint64_t dictoffset = py_reader_word(reader, bytes + layout->type.dictoffset);
    type.dictoffset =
        layout->word_size == 4 ? (int64_t)(int32_t)(uint32_t)dictoffset : (int64_t)dictoffset;
    /* Only a heap type goes on where ht_cached_keys is. */
    if ((type.flags & PY_TYPE_HEAP) != 0) {
        bytes =
            py_reader_read(reader, raddr_add(address, layout->type.cached_keys), layout->word_size);
        if (bytes == NULL) {
            return false;
        }
        type.cached_keys = py_reader_address(reader, bytes);
    }
    *out = type;
    return true;
}

const struct py_type *py_types_find(struct py_types *types, struct py_reader *reader,
                                    struct raddr address) {
    uint32_t known = types->count < PY_TYPES_MAX ? types->count : PY_TYPES_MAX;
    for (uint32_t i = 0; i < known; i++) {
        if (raddr_equal(types->known[i].address, address)) {
            return &types->known[i];
        }
    }
    struct py_type type;
    if (!type_read(reader, address, &type)) {
        return NULL;
    }
    struct py_type *slot = &types->known[types->count++ % PY_TYPES_MAX];
    *slot = type;
    return slot;
}

bool py_types_have(struct py_types *types, struct py_reader *reader, struct raddr address,
                   uint64_t flags) {
    const struct py_type *type = py_types_find(types, reader, address);
    return type != NULL && (type->flags & flags) != 0;
}
