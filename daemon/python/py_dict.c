#include "daemon/python/py_dict.h"

#include <stdbool.h>
#include <string.h>

#include "daemon/python/py_object.h"

enum { KEYS_KIND_GENERAL = 0, KEYS_KIND_SPLIT = 2 }; /* DictKeysKind, from 3.11 on */

static uint32_t max_u32(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static uint32_t min_u32(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

uint32_t py_dict_head_span(const struct py_layout *layout) {
    uint32_t last =
        max_u32(max_u32(layout->dict.keys, layout->dict.values), layout->object.ob_type);
    return last + layout->word_size;
}

struct py_dict_head py_dict_head_decode(const struct py_reader *reader, const uint8_t *bytes) {
    const struct py_layout *layout = py_reader_layout(reader);
    struct py_dict_head head = {
        .type = py_reader_address(reader, bytes + layout->object.ob_type),
        .keys = py_reader_address(reader, bytes + layout->dict.keys),
        .values = py_reader_address(reader, bytes + layout->dict.values),
    };
    if (!raddr_is_null(head.values) && layout->managed_dict.values_data != LAYOUT_ABSENT) {
        head.values = raddr_add(head.values, layout->managed_dict.values_data);
    }
    return head;
}

enum status py_dict_open(struct py_reader *reader, struct py_types *types, struct raddr address,
                         struct py_dict *out) {
    const uint8_t *bytes =
        py_reader_read(reader, address, py_dict_head_span(py_reader_layout(reader)));
    if (bytes == NULL) {
        return py_reader_torn(reader);
    }
    struct py_dict_head head = py_dict_head_decode(reader, bytes);
    if (!py_types_have(types, reader, head.type, PY_TYPE_DICT)) {
        return py_reader_torn(reader);
    }
    return py_dict_open_keys(reader, head.keys, head.values, out);
}

/* Bytes of dk_indices in a table for `size` entries, to 3.10 (DK_IXSIZE in Objects/dictobject.c).
 */
static uint64_t indices_bytes(uint64_t size) {
    if (size <= UINT8_MAX) {
        return size;
    }
    return size <= UINT16_MAX ? size * 2 : size * 4;
}

enum status py_dict_open_keys(struct py_reader *reader, struct raddr keys, struct raddr values,
                              struct py_dict *out) {
    const struct py_layout *layout = py_reader_layout(reader);
    const uint8_t *bytes = py_reader_read(reader, keys, layout->dict_keys.indices);
    if (bytes == NULL) {
        return py_reader_torn(reader);
    }
    struct py_dict dict = {.keys = keys, .values = values};
    uint64_t size = 0, indices = 0;
    unsigned words = 3; /* hash, key, value */
    if (layout->dict_keys.size_is_log2) {
        uint8_t log2_size = bytes[layout->dict_keys.log2_size];
        uint8_t log2_bytes = bytes[layout->dict_keys.log2_index_bytes];
        uint8_t kind = bytes[layout->dict_keys.kind];
        if (log2_size > 31 || log2_bytes > 31 || kind > KEYS_KIND_SPLIT ||
            (kind == KEYS_KIND_SPLIT) != !raddr_is_null(values)) {
            return STATUS_TORN;
        }
        size = UINT64_C(1) << log2_size;
        indices = UINT64_C(1) << log2_bytes;
        words = kind == KEYS_KIND_GENERAL ? 3 : 2;
    } else {
        size = py_reader_word(reader, bytes + layout->dict_keys.log2_size);
        if (size > UINT32_MAX) {
            return STATUS_TORN;
        }
        indices = indices_bytes(size);
    }
    uint64_t count = py_reader_word(reader, bytes + layout->dict_keys.nentries);
    if (count > size || count > PY_DICT_ENTRIES_MAX) {
        return STATUS_TORN;
    }
    dict.count = (uint32_t)count;
    dict.entries = raddr_add(keys, layout->dict_keys.indices + indices);
    dict.entry_size = words * layout->word_size;
    dict.key_at = (words - 2) * layout->word_size;
    *out = dict;
    return STATUS_OK;
}

struct raddr py_dict_value_slot(const struct py_dict *dict, const struct py_layout *layout,
                                uint32_t index) {
    if (!raddr_is_null(dict->values)) {
        return raddr_add(dict->values, (uint64_t)index * layout->word_size);
    }
    return raddr_add(dict->entries,
                     (uint64_t)index * dict->entry_size + dict->key_at + layout->word_size);
}

enum status py_dict_entries(struct py_reader *reader, const struct py_dict *dict, uint32_t first,
                            uint32_t count, struct py_dict_entry *out) {
    const struct py_layout *layout = py_reader_layout(reader);
    if (count == 0) {
        return STATUS_OK;
    }
    if (count > PY_DICT_CHUNK || first > dict->count || count > dict->count - first) {
        return STATUS_TORN;
    }
    bool split = !raddr_is_null(dict->values);
    py_reader_begin(reader);
    uint32_t entries_span =
        py_reader_add(reader, raddr_add(dict->entries, (uint64_t)first * dict->entry_size),
                      count * dict->entry_size);
    uint32_t values_span = PY_READER_FULL;
    if (split) {
        values_span = py_reader_add(reader, py_dict_value_slot(dict, layout, first),
                                    count * layout->word_size);
    }
    py_reader_take(reader);
    const uint8_t *entries = py_reader_bytes(reader, entries_span);
    const uint8_t *values = py_reader_bytes(reader, values_span);
    if (entries == NULL || (split && values == NULL)) {
        return py_reader_torn(reader);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = entries + (size_t)i * dict->entry_size + dict->key_at;
        const uint8_t *value =
            split ? values + (size_t)i * layout->word_size : entry + layout->word_size;
        out[i] = (struct py_dict_entry){.key = py_reader_address(reader, entry),
                                        .value = py_reader_address(reader, value)};
    }
    return STATUS_OK;
}

/* Whether the bytes of a string object, as far as they go to the end of its ASCII text, are `name`.
 */
static bool text_is(const struct py_layout *layout, const uint8_t *bytes, const char *name,
                    size_t compared) {
    struct py_text text;
    return py_text_decode(layout, bytes, &text) && text.ascii && text.compact &&
           text.length == strlen(name) && memcmp(bytes + text.data_at, name, compared) == 0;
}

/* Whether the object at `address` is a string with the text `name`. */
static bool key_is(struct py_reader *reader, struct py_types *types, struct raddr address,
                   const char *name) {
    const struct py_layout *layout = py_reader_layout(reader);
    uint32_t length = (uint32_t)strlen(name);
    const uint8_t *bytes = py_reader_read(reader, address, py_text_span(layout) + length);
    if (bytes == NULL || !text_is(layout, bytes, name, length)) {
        return false;
    }
    struct raddr type = py_reader_address(reader, bytes + layout->object.ob_type);
    return py_types_have(types, reader, type, PY_TYPE_STR);
}

/* One search for names in the keys of a dict. */
struct search {
    struct py_reader *reader;
    struct py_types *types;
    struct py_name *names;
    uint32_t count;
    uint32_t missing;
    uint32_t shortest; /* length of the shortest name */
    uint32_t *index;
};

static void search_hit(struct search *search, uint32_t name, uint32_t index, struct raddr key) {
    search->index[name] = index;
    search->names[name].seen = key;
    search->missing--;
}

/* Looks for the names by the addresses where they were last seen. */
static void search_seen(struct search *search, const struct py_dict_entry *entries, uint32_t count,
                        uint32_t first) {
    for (uint32_t n = 0; n < search->count; n++) {
        struct raddr seen = search->names[n].seen;
        for (uint32_t i = 0; i < count && search->index[n] == PY_DICT_ABSENT; i++) {
            if (!raddr_is_null(seen) && raddr_equal(entries[i].key, seen)) {
                search_hit(search, n, first + i, seen);
            }
        }
    }
}

/* Looks for the names by reading the keys: first of each as much as the shortest name has, since
 * behind a short string memory may end; then the rest of those that begin like one. */
static void search_text(struct search *search, const struct py_dict_entry *entries, uint32_t count,
                        uint32_t first) {
    struct py_reader *reader = search->reader;
    const struct py_layout *layout = py_reader_layout(reader);
    uint8_t like[PY_DICT_CHUNK] = {0}; /* 1 + the name that a key begins like */
    uint32_t size = py_text_span(layout) + search->shortest;
    py_reader_begin(reader);
    for (uint32_t i = 0; i < count; i++) {
        (void)py_reader_add(reader, entries[i].key, size);
    }
    py_reader_take(reader);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *bytes = py_reader_bytes(reader, i);
        for (uint32_t n = 0; bytes != NULL && n < search->count; n++) {
            if (search->index[n] == PY_DICT_ABSENT &&
                text_is(layout, bytes, search->names[n].text, search->shortest)) {
                like[i] = (uint8_t)(n + 1);
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (like[i] == 0) {
            continue;
        }
        for (uint32_t n = 0; n < search->count; n++) {
            if (search->index[n] == PY_DICT_ABSENT &&
                key_is(reader, search->types, entries[i].key, search->names[n].text)) {
                search_hit(search, n, first + i, entries[i].key);
                break;
            }
        }
    }
}

enum status py_dict_find(struct py_reader *reader, struct py_types *types,
                         const struct py_dict *dict, struct py_name *names, uint32_t count,
                         uint32_t *index) {
    uint32_t found[PY_DICT_NAMES_MAX];
    if (count == 0 || count > PY_DICT_NAMES_MAX) {
        return STATUS_UNSUPPORTED;
    }
    struct search search = {.reader = reader,
                            .types = types,
                            .names = names,
                            .count = count,
                            .missing = count,
                            .shortest = UINT32_MAX,
                            .index = found};
    for (uint32_t n = 0; n < count; n++) {
        found[n] = PY_DICT_ABSENT;
        search.shortest = min_u32(search.shortest, (uint32_t)strlen(names[n].text));
    }
    struct py_dict_entry entries[PY_DICT_CHUNK] = {0};
    for (uint32_t first = 0; first < dict->count && search.missing > 0; first += PY_DICT_CHUNK) {
        uint32_t chunk = min_u32(PY_DICT_CHUNK, dict->count - first);
        enum status status = py_dict_entries(reader, dict, first, chunk, entries);
        if (status != STATUS_OK) {
            return status;
        }
        search_seen(&search, entries, chunk, first);
        if (search.missing > 0) {
            search_text(&search, entries, chunk, first);
        }
    }
    if (py_reader_failed(reader) != STATUS_OK) {
        return py_reader_failed(reader);
    }
    memcpy(index, found, count * sizeof *index);
    return STATUS_OK;
}

enum status py_dict_lookup(struct py_reader *reader, struct py_types *types,
                           const struct py_dict *dict, const char *name, uint32_t *hint,
                           struct raddr *value) {
    struct py_dict_entry entry = {0};
    uint32_t index = *hint;
    if (index >= dict->count || py_dict_entries(reader, dict, index, 1, &entry) != STATUS_OK ||
        !key_is(reader, types, entry.key, name)) {
        struct py_name wanted = {.text = name};
        enum status status = py_dict_find(reader, types, dict, &wanted, 1, &index);
        if (status != STATUS_OK) {
            return status;
        }
        if (index == PY_DICT_ABSENT) {
            return STATUS_ABSENT;
        }
        status = py_dict_entries(reader, dict, index, 1, &entry);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (raddr_is_null(entry.value)) {
        return STATUS_ABSENT; /* a split table's key that this dict does not set */
    }
    *hint = index;
    *value = entry.value;
    return STATUS_OK;
}
