#include "daemon/python/py_instance.h"

#include <string.h>

/* struct _dictvalues, from 3.13 on (Include/internal/pycore_dict.h): uint8_t capacity, size,
 * embedded, valid, and then the values. */
enum { VALUES_CAPACITY = 0, VALUES_VALID = 3, VALUES_HEAD = 4 };

/* What is known of one object on the way to its attributes. */
struct search {
    uint64_t flags;
    uint64_t basicsize;
    int64_t dictoffset;
    struct raddr keys; /* the type's shared keys */
    uint32_t dict_span, values_span;
    struct raddr dict;
    struct raddr values; /* where the values' struct begins */
    uint32_t capacity;   /* of values behind the object */
    struct py_dict_head head;
};

static struct raddr words_from(struct raddr address, const struct py_layout *layout,
                               int32_t words) {
    return raddr_add(address, (uint64_t)((int64_t)words * layout->word_size));
}

static bool is_managed(const struct search *search, const struct py_layout *layout) {
    return layout->managed_dict.dict_words != 0 && (search->flags & PY_TYPE_MANAGED_DICT) != 0;
}

static bool has_inline_values(const struct search *search, const struct py_layout *layout) {
    return layout->managed_dict.values_inline && (search->flags & PY_TYPE_INLINE_VALUES) != 0 &&
           search->basicsize <= INT32_MAX;
}

static void search_add_spans(struct search *search, struct py_reader *reader, struct raddr object) {
    const struct py_layout *layout = py_reader_layout(reader);
    search->dict_span = PY_READER_FULL;
    search->values_span = PY_READER_FULL;
    if (is_managed(search, layout)) {
        search->dict_span = py_reader_add(
            reader, words_from(object, layout, layout->managed_dict.dict_words), layout->word_size);
        if (has_inline_values(search, layout)) {
            search->values_span =
                py_reader_add(reader, raddr_add(object, search->basicsize), VALUES_HEAD);
        } else if (layout->managed_dict.values_words != 0) {
            search->values_span =
                py_reader_add(reader, words_from(object, layout, layout->managed_dict.values_words),
                              layout->word_size);
        }
    } else if (search->dictoffset > 0 && search->dictoffset <= INT32_MAX) {
        /* A negative offset counts from the end of an object of variable size: no such Threads. */
        search->dict_span = py_reader_add(reader, raddr_add(object, (uint64_t)search->dictoffset),
                                          layout->word_size);
    }
}

/* Takes from the spans either a dict or values. */
static void search_take_spans(struct search *search, const struct py_reader *reader,
                              struct raddr object) {
    const struct py_layout *layout = py_reader_layout(reader);
    const uint8_t *dict = py_reader_bytes(reader, search->dict_span);
    const uint8_t *values = py_reader_bytes(reader, search->values_span);
    if (dict == NULL) {
        return;
    }
    search->dict = py_reader_address(reader, dict);
    if (!is_managed(search, layout)) {
        return;
    }
    if (layout->managed_dict.values_tagged) {
        if ((search->dict.v & 1) != 0) {
            search->values = raddr_add(search->dict, 1);
            search->dict = RADDR_NULL;
        }
    } else if (layout->managed_dict.values_words != 0) {
        if (values != NULL) {
            search->values = py_reader_address(reader, values);
        }
    } else if (raddr_is_null(search->dict) && values != NULL && values[VALUES_VALID] != 0) {
        search->values = raddr_add(object, search->basicsize);
        search->capacity = values[VALUES_CAPACITY];
    }
}

/* Takes the keys and values of those whose attributes are in a dict. */
static void searches_read_dicts(struct search *searches, struct py_reader *reader,
                                struct py_types *types, uint32_t count) {
    py_reader_begin(reader);
    for (uint32_t i = 0; i < count; i++) {
        searches[i].dict_span = PY_READER_FULL;
        if (raddr_is_null(searches[i].values) && !raddr_is_null(searches[i].dict)) {
            searches[i].dict_span = py_reader_add(reader, searches[i].dict,
                                                  py_dict_head_span(py_reader_layout(reader)));
        }
    }
    py_reader_take(reader);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *bytes = py_reader_bytes(reader, searches[i].dict_span);
        if (bytes != NULL) {
            searches[i].head = py_dict_head_decode(reader, bytes);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!raddr_is_null(searches[i].head.keys) &&
            !py_types_have(types, reader, searches[i].head.type, PY_TYPE_DICT)) {
            searches[i].head.keys = RADDR_NULL;
        }
    }
}

/* Opens the keys. Neighbours share them with their values apart, so the last ones are remembered.
 */
static void search_open(const struct search *search, struct py_reader *reader, struct py_dict *last,
                        struct py_instance *instance) {
    const struct py_layout *layout = py_reader_layout(reader);
    struct py_dict_head head = search->head;
    if (!raddr_is_null(search->values)) {
        head = (struct py_dict_head){
            .keys = search->keys,
            .values = raddr_add(search->values, layout->managed_dict.values_data)};
    }
    struct py_dict attributes = *last;
    if (raddr_is_null(head.keys)) {
        return;
    }
    if (!raddr_is_null(head.values) && raddr_equal(last->keys, head.keys)) {
        attributes.values = head.values;
    } else if (py_dict_open_keys(reader, head.keys, head.values, &attributes) != STATUS_OK) {
        return;
    } else if (!raddr_is_null(head.values)) {
        *last = attributes;
    }
    if (attributes.count > search->capacity) {
        attributes.count = search->capacity;
    }
    instance->attributes = attributes;
    instance->located = true;
}

void py_instances_locate(struct py_reader *reader, struct py_types *types,
                         struct py_instance *instances, uint32_t count) {
    struct search searches[PY_INSTANCES_MAX];
    memset(searches, 0, sizeof searches);
    count = count < PY_INSTANCES_MAX ? count : PY_INSTANCES_MAX;
    for (uint32_t i = 0; i < count; i++) {
        instances[i].located = false;
        const struct py_type *type = py_types_find(types, reader, instances[i].type);
        if (type != NULL) {
            searches[i].flags = type->flags;
            searches[i].basicsize = type->basicsize;
            searches[i].dictoffset = type->dictoffset;
            searches[i].keys = type->cached_keys;
            searches[i].capacity = UINT32_MAX;
        }
    }
    py_reader_begin(reader);
    for (uint32_t i = 0; i < count; i++) {
        search_add_spans(&searches[i], reader, instances[i].object);
    }
    py_reader_take(reader);
    for (uint32_t i = 0; i < count; i++) {
        search_take_spans(&searches[i], reader, instances[i].object);
    }
    searches_read_dicts(searches, reader, types, count);
    struct py_dict last = {0};
    for (uint32_t i = 0; i < count; i++) {
        search_open(&searches[i], reader, &last, &instances[i]);
    }
}
