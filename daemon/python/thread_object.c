#include "daemon/python/thread_object.h"

#include <string.h>

static const char *const attribute_names[THREAD_ATTRIBUTE_COUNT] = {
    [THREAD_ATTRIBUTE_NAME] = "_name",
    [THREAD_ATTRIBUTE_IDENT] = "_ident",
    [THREAD_ATTRIBUTE_NATIVE_ID] = "_native_id",
};

enum {
    GUESS_BYTES = 64, /* of a name, read with its head: most names are shorter */
    PAGE_BYTES = 4096,
    STEP_SPANS_MAX = 6, /* spans of one object in one step */
};

/* A step of the work on all objects of a batch: the spans that it asked for, by object. */
struct step {
    struct py_reader *reader;
    uint32_t span[THREAD_OBJECTS_MAX][STEP_SPANS_MAX];
};

static const uint8_t *step_bytes(const struct step *step, uint32_t i, unsigned which) {
    return py_reader_bytes(step->reader, step->span[i][which]);
}

/* The address that a span holds; NULL if it could not be read. */
static struct raddr step_address(const struct step *step, uint32_t i, unsigned which) {
    const uint8_t *bytes = step_bytes(step, i, which);
    return bytes != NULL ? py_reader_address(step->reader, bytes) : RADDR_NULL;
}

void thread_objects_reset(struct thread_objects *objects) {
    for (unsigned a = 0; a < THREAD_ATTRIBUTE_COUNT; a++) {
        objects->attributes[a] = (struct py_name){.text = attribute_names[a]};
    }
    objects->shared = (struct py_dict){.count = 0};
}

/* Reads each object's type, and locates its attributes. */
static void locate(struct thread_objects *objects, struct step *step, struct py_types *types) {
    struct py_reader *reader = step->reader;
    const struct py_layout *layout = py_reader_layout(reader);
    py_reader_begin(reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        struct raddr object = objects->items[i].entry.value;
        step->span[i][0] =
            py_reader_add(reader, raddr_add(object, layout->object.ob_type), layout->word_size);
    }
    py_reader_take(reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        objects->instances[i] = (struct py_instance){.object = objects->items[i].entry.value,
                                                     .type = step_address(step, i, 0)};
    }
    py_instances_locate(reader, types, objects->instances, objects->count);
}

/* Finds where one object's attributes stand. Objects of a class share their keys: those are
 * searched only once. */
static void find_slots(struct thread_objects *objects, uint32_t i, struct py_reader *reader,
                       struct py_types *types) {
    struct thread_object *item = &objects->items[i];
    const struct py_instance *instance = &objects->instances[i];
    uint32_t found[THREAD_ATTRIBUTE_COUNT];
    const uint32_t *index = found;
    if (!instance->located) {
        return;
    }
    bool shares = !raddr_is_null(instance->attributes.values);
    if (shares && raddr_equal(objects->shared.keys, instance->attributes.keys) &&
        objects->shared.count == instance->attributes.count) {
        index = objects->shared_index;
    } else {
        if (py_dict_find(reader, types, &instance->attributes, objects->attributes,
                         THREAD_ATTRIBUTE_COUNT, found) != STATUS_OK) {
            return;
        }
        if (shares) {
            objects->shared = instance->attributes;
            memcpy(objects->shared_index, found, sizeof found);
        }
    }
    for (unsigned a = 0; a < THREAD_ATTRIBUTE_COUNT; a++) {
        if (index[a] != PY_DICT_ABSENT) {
            item->attribute_slot[a] =
                py_dict_value_slot(&instance->attributes, py_reader_layout(reader), index[a]);
        }
    }
}

/* Reads the attributes' addresses out of their slots. */
static void read_slots(struct thread_objects *objects, struct step *step) {
    py_reader_begin(step->reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        for (unsigned a = 0; a < THREAD_ATTRIBUTE_COUNT; a++) {
            step->span[i][a] = py_reader_add(step->reader, objects->items[i].attribute_slot[a],
                                             py_reader_layout(step->reader)->word_size);
        }
    }
    py_reader_take(step->reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        for (unsigned a = 0; a < THREAD_ATTRIBUTE_COUNT; a++) {
            objects->items[i].attribute[a] = step_address(step, i, a);
        }
    }
}

/* Spans of the step that reads the attributes themselves. */
enum { READ_HEAD, READ_GUESS, READ_NATIVE_ID, READ_IDENT, READ_KEY };

/* Bytes of a string object in which its text is likely to be: within one page, all or none are
 * there. */
static uint32_t guess_size(const struct py_layout *layout, struct raddr name) {
    uint32_t guess = py_text_span(layout) + GUESS_BYTES;
    uint32_t room = PAGE_BYTES - (uint32_t)(name.v % PAGE_BYTES);
    return guess < room ? guess : room;
}

static void read_attributes_begin(struct thread_objects *objects, struct step *step) {
    struct py_reader *reader = step->reader;
    const struct py_layout *layout = py_reader_layout(reader);
    py_reader_begin(reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        const struct thread_object *item = &objects->items[i];
        uint32_t *span = step->span[i];
        struct raddr name = item->attribute[THREAD_ATTRIBUTE_NAME];
        struct raddr ident = item->attribute[THREAD_ATTRIBUTE_IDENT];
        span[READ_HEAD] = py_reader_add(reader, name, py_text_span(layout));
        span[READ_GUESS] = py_reader_add(reader, name, guess_size(layout, name));
        span[READ_NATIVE_ID] = py_reader_add(reader, item->attribute[THREAD_ATTRIBUTE_NATIVE_ID],
                                             py_int_span_narrow(layout));
        span[READ_KEY] = py_reader_add(reader, item->entry.key, py_int_span_wide(layout));
        /* Most often the very object that is the key (`_active[self._ident] = self`). */
        span[READ_IDENT] = raddr_equal(ident, item->entry.key)
                               ? span[READ_KEY]
                               : py_reader_add(reader, ident, py_int_span_wide(layout));
    }
    py_reader_take(reader);
}

/* Decodes the int object in a span; false if it is none or unreadable. */
static bool take_int(const struct step *step, uint32_t i, unsigned which, uint32_t size,
                     uint64_t *value) {
    const uint8_t *bytes = step_bytes(step, i, which);
    return bytes != NULL && py_int_decode(py_reader_layout(step->reader), bytes, size, value);
}

static struct raddr take_type(const struct step *step, uint32_t i, unsigned which) {
    const uint8_t *bytes = step_bytes(step, i, which);
    uint32_t at = py_reader_layout(step->reader)->object.ob_type;
    return bytes != NULL ? py_reader_address(step->reader, bytes + at) : RADDR_NULL;
}

static uint32_t name_size(const struct thread_object *item) {
    return item->length * item->kind;
}

/* Takes the name's description, and the name itself if it was guessed well. */
static bool take_name(const struct step *step, uint32_t i, struct thread_object *item,
                      uint8_t *name) {
    const struct py_layout *layout = py_reader_layout(step->reader);
    const uint8_t *head = step_bytes(step, i, READ_HEAD);
    const uint8_t *guess = step_bytes(step, i, READ_GUESS);
    if (head == NULL || !py_text_decode(layout, head, &item->text)) {
        return false;
    }
    uint64_t length = item->text.length;
    struct raddr address = item->attribute[THREAD_ATTRIBUTE_NAME];
    item->kind = item->text.kind;
    item->length = length < THREAD_NAME_MAX ? (uint32_t)length : THREAD_NAME_MAX;
    item->data = raddr_add(address, item->text.data_at);
    item->named = item->length == 0;
    if (item->text.compact && guess != NULL &&
        item->text.data_at + name_size(item) <= guess_size(layout, address)) {
        memcpy(name, guess + item->text.data_at, name_size(item));
        item->named = true;
    }
    return true;
}

/* Reads the ints, and the head of the name. `whole` are those of which the ident is the key's. */
static void read_attributes(struct thread_objects *objects, struct step *step,
                            struct py_types *types) {
    struct py_reader *reader = step->reader;
    const uint32_t wide = py_int_span_wide(py_reader_layout(reader));
    const uint32_t narrow = py_int_span_narrow(py_reader_layout(reader));
    struct raddr name_type[THREAD_OBJECTS_MAX], ident_type[THREAD_OBJECTS_MAX];
    struct raddr native_type[THREAD_OBJECTS_MAX];
    read_attributes_begin(objects, step);
    for (uint32_t i = 0; i < objects->count; i++) {
        struct thread_object *item = &objects->items[i];
        uint64_t key = 0, native_id = 0;
        item->whole = take_int(step, i, READ_IDENT, wide, &item->ident) &&
                      take_int(step, i, READ_KEY, wide, &key) && key == item->ident &&
                      take_name(step, i, item, objects->names[i]);
        item->native_id =
            take_int(step, i, READ_NATIVE_ID, narrow, &native_id) ? (int64_t)native_id : -1;
        name_type[i] = take_type(step, i, READ_HEAD);
        ident_type[i] = take_type(step, i, READ_IDENT);
        native_type[i] = take_type(step, i, READ_NATIVE_ID);
    }
    for (uint32_t i = 0; i < objects->count; i++) {
        struct thread_object *item = &objects->items[i];
        item->whole = item->whole && py_types_have(types, reader, name_type[i], PY_TYPE_STR) &&
                      py_types_have(types, reader, ident_type[i], PY_TYPE_INT);
        if (!py_types_have(types, reader, native_type[i], PY_TYPE_INT)) {
            item->native_id = -1; /* None, or no such attribute */
        }
    }
}

/* Reads the names that were not guessed well: where they are, if not behind their heads, and then
 * the code points. */
static void read_names(struct thread_objects *objects, struct step *step) {
    struct py_reader *reader = step->reader;
    py_reader_begin(reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        const struct thread_object *item = &objects->items[i];
        step->span[i][0] = PY_READER_FULL;
        if (item->whole && !item->text.compact) {
            step->span[i][0] =
                py_reader_add(reader, item->data, py_reader_layout(reader)->word_size);
        }
    }
    py_reader_take(reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        struct thread_object *item = &objects->items[i];
        if (item->whole && !item->text.compact) {
            item->data = step_address(step, i, 0);
        }
    }
    py_reader_begin(reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        const struct thread_object *item = &objects->items[i];
        bool wanted = item->whole && !item->named;
        step->span[i][0] =
            wanted ? py_reader_add(reader, item->data, name_size(item)) : PY_READER_FULL;
    }
    py_reader_take(reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        struct thread_object *item = &objects->items[i];
        const uint8_t *bytes = step_bytes(step, i, 0);
        if (bytes != NULL) {
            memcpy(objects->names[i], bytes, name_size(item));
            item->named = true;
        }
        item->whole = item->whole && item->named;
    }
}

/* Spans of the step that verifies; the attributes' slots come first. */
enum { VERIFY_BEFORE = THREAD_ATTRIBUTE_COUNT, VERIFY_HEAD, VERIFY_DATA };

static bool is_unchanged(const struct thread_objects *objects, const struct step *step,
                         uint32_t i) {
    const struct thread_object *item = &objects->items[i];
    const uint8_t *head = step_bytes(step, i, VERIFY_HEAD);
    const uint8_t *data = step_bytes(step, i, VERIFY_DATA);
    struct py_text text;
    if (head == NULL || !py_text_decode(py_reader_layout(step->reader), head, &text) ||
        text.length != item->text.length || text.kind != item->text.kind ||
        text.data_at != item->text.data_at) {
        return false;
    }
    if (item->length > 0 &&
        (data == NULL || memcmp(data, objects->names[i], name_size(item)) != 0)) {
        return false;
    }
    for (unsigned a = 0; a < THREAD_ATTRIBUTE_COUNT; a++) {
        if (!raddr_equal(step_address(step, i, a), item->attribute[a])) {
            return false;
        }
    }
    return raddr_equal(step_address(step, i, VERIFY_BEFORE),
                       item->attribute[THREAD_ATTRIBUTE_NAME]);
}

/* The name's slot is read before and behind the name itself: a program that renames a thread in a
 * loop gets the same two addresses again and again, and builds the next name where the one before
 * the last was. */
static void verify_objects(struct thread_objects *objects, struct step *step) {
    struct py_reader *reader = step->reader;
    const struct py_layout *layout = py_reader_layout(reader);
    py_reader_begin(reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        const struct thread_object *item = &objects->items[i];
        uint32_t *span = step->span[i];
        if (!item->whole) {
            continue;
        }
        span[VERIFY_BEFORE] =
            py_reader_add(reader, item->attribute_slot[THREAD_ATTRIBUTE_NAME], layout->word_size);
        span[VERIFY_HEAD] =
            py_reader_add(reader, item->attribute[THREAD_ATTRIBUTE_NAME], py_text_span(layout));
        span[VERIFY_DATA] = py_reader_add(reader, item->data, name_size(item));
        for (unsigned a = 0; a < THREAD_ATTRIBUTE_COUNT; a++) {
            span[a] = py_reader_add(reader, item->attribute_slot[a], layout->word_size);
        }
    }
    py_reader_take(reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        objects->items[i].whole = objects->items[i].whole && is_unchanged(objects, step, i);
    }
}

void thread_objects_verify(struct thread_objects *objects, struct py_reader *reader) {
    struct step step = {.reader = reader};
    verify_objects(objects, &step);
    /* Whether the dict still has them: its entries are neighbours. */
    py_reader_begin(reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        step.span[i][0] =
            py_reader_add(reader, objects->items[i].slot, py_reader_layout(reader)->word_size);
    }
    py_reader_take(reader);
    for (uint32_t i = 0; i < objects->count; i++) {
        struct thread_object *item = &objects->items[i];
        item->whole = item->whole && raddr_equal(step_address(&step, i, 0), item->entry.value);
    }
}

void thread_objects_read(struct thread_objects *objects, struct py_reader *reader,
                         struct py_types *types) {
    struct step step = {.reader = reader};
    for (uint32_t i = 0; i < objects->count; i++) {
        struct thread_object *item = &objects->items[i];
        *item = (struct thread_object){.slot = item->slot, .entry = item->entry};
    }
    locate(objects, &step, types);
    for (uint32_t i = 0; i < objects->count; i++) {
        find_slots(objects, i, reader, types);
    }
    read_slots(objects, &step);
    read_attributes(objects, &step, types);
    read_names(objects, &step);
    thread_objects_verify(objects, reader);
}
