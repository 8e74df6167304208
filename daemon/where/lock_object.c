#include "daemon/where/lock_object.h"

#include <string.h>

#include "daemon/python/py_dict.h"
#include "daemon/python/py_instance.h"
#include "daemon/python/py_object.h"
#include "daemon/snapshot/thread_image.h"

enum {
    HEAD_BYTES = 64, /* of an object: all members that are looked at, in both word sizes */
    WORK = 4096,     /* reads for one object's attributes, at most */
};

static const struct {
    const char *name;
    enum object_kind kind;
} type_names[] = {
    {"_thread.lock", OBJECT_LOCK},   {"_thread.RLock", OBJECT_RLOCK},
    {"Condition", OBJECT_CONDITION}, {"builtin_function_or_method", OBJECT_BUILTIN},
    {"method", OBJECT_METHOD},       {"method_descriptor", OBJECT_DESCRIPTOR},
    {"function", OBJECT_FUNCTION},
};

enum status lock_objects_init(struct lock_objects *objects, const struct memory *memory,
                              const struct py_layout *layout, const struct sync_layout *sync) {
    *objects = (struct lock_objects){.memory = memory, .layout = layout, .sync = sync};
    py_types_reset(&objects->types);
    return py_reader_create(&objects->reader);
}

void lock_objects_deinit(struct lock_objects *objects) {
    py_reader_destroy(objects->reader);
    objects->reader = NULL;
}

/* What the instances of a type are, by the type's name, which a static type keeps for good. */
static enum object_kind kind_of(struct lock_objects *objects, uint64_t type) {
    uint64_t slot = (type >> 4) % LOCK_TYPES_KNOWN;
    if (objects->known[slot].type == type) {
        return objects->known[slot].kind;
    }
    char name[LOCK_NAME_MAX];
    uint64_t at = 0;
    enum object_kind kind = OBJECT_OTHER;
    struct raddr field = raddr_add(raddr_make(type), objects->layout->type.name);
    if (memory_read_word(objects->memory, field, &at) != STATUS_OK ||
        memory_read_string(objects->memory, raddr_make(at), name, sizeof name) != STATUS_OK) {
        return OBJECT_OTHER;
    }
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        kind = strcmp(name, type_names[i].name) == 0 ? type_names[i].kind : kind;
    }
    objects->known[slot].type = type;
    objects->known[slot].kind = kind;
    return kind;
}

struct lock_object lock_object_read(struct lock_objects *objects, uint64_t address) {
    const struct py_layout *layout = objects->layout;
    const struct sync_layout *sync = objects->sync;
    const unsigned w = layout->word_size;
    struct lock_object object = {.kind = OBJECT_OTHER, .address = address};
    uint8_t bytes[HEAD_BYTES] = {0};
    size_t size = layout->object.size + 2U * w;
    if (address == 0 || (address & (w - 1U)) != 0 ||
        memory_read(objects->memory, raddr_make(address), bytes, size) != STATUS_OK) {
        return object;
    }
    object.kind = kind_of(objects, image_word(bytes + layout->object.ob_type, w));
    switch (object.kind) {
    case OBJECT_RLOCK:
        object.owner = image_word(bytes + sync->lock.owner, w);
        object.lock = image_word(bytes + sync->lock.lock, w);
        break;
    case OBJECT_LOCK:
        object.lock = image_word(bytes + sync->lock.lock, w);
        break;
    case OBJECT_BUILTIN:
        object.function = image_word(bytes + sync->builtin.method, w);
        object.self = image_word(bytes + sync->builtin.self, w);
        break;
    case OBJECT_METHOD:
        object.function = image_word(bytes + sync->method.function, w);
        object.self = image_word(bytes + sync->method.self, w);
        break;
    case OBJECT_DESCRIPTOR: {
        struct raddr at = raddr_add(raddr_make(address), sync->descriptor.method);
        if (memory_read_word(objects->memory, at, &object.function) != STATUS_OK) {
            object.kind = OBJECT_OTHER;
        }
        break;
    }
    case OBJECT_OTHER:
    case OBJECT_CONDITION:
    case OBJECT_FUNCTION:
        break;
    }
    return object;
}

bool lock_object_is_named(struct lock_objects *objects, const struct lock_object *method,
                          const char *name) {
    char text[LOCK_NAME_MAX];
    uint64_t at = 0; /* ml_name comes first in a PyMethodDef */
    return memory_read_word(objects->memory, raddr_make(method->function), &at) == STATUS_OK &&
           memory_read_string(objects->memory, raddr_make(at), text, sizeof text) == STATUS_OK &&
           strcmp(text, name) == 0;
}

/* The value of an instance's attribute; 0 if it has none. */
static uint64_t attribute_find(struct lock_objects *objects, uint64_t address, const char *name) {
    const struct py_layout *layout = objects->layout;
    struct py_reader *reader = objects->reader;
    uint64_t type = 0;
    uint64_t value = 0;
    struct py_name wanted = {.text = name};
    uint32_t index = PY_DICT_ABSENT;
    struct raddr at = raddr_add(raddr_make(address), layout->object.ob_type);
    if (memory_read_word(objects->memory, at, &type) != STATUS_OK) {
        return 0;
    }
    struct py_instance instance = {.object = raddr_make(address), .type = raddr_make(type)};
    py_reader_start(reader, objects->memory, layout, WORK);
    py_instances_locate(reader, &objects->types, &instance, 1);
    if (!instance.located ||
        py_dict_find(reader, &objects->types, &instance.attributes, &wanted, 1, &index) !=
            STATUS_OK ||
        index == PY_DICT_ABSENT ||
        memory_read_word(objects->memory, py_dict_value_slot(&instance.attributes, layout, index),
                         &value) != STATUS_OK) {
        return 0;
    }
    return value;
}

static struct lock_object lock_only(struct lock_object object) {
    if (object.kind != OBJECT_LOCK && object.kind != OBJECT_RLOCK) {
        object.kind = OBJECT_OTHER;
    }
    return object;
}

struct lock_object lock_object_kept(struct lock_objects *objects, uint64_t address) {
    return lock_only(lock_object_read(objects, attribute_find(objects, address, "_lock")));
}

struct lock_object lock_object_within(struct lock_objects *objects, uint64_t address) {
    struct lock_object object = lock_object_read(objects, address);
    return object.kind == OBJECT_CONDITION ? lock_object_kept(objects, address) : lock_only(object);
}

uint64_t lock_object_thread_ident(struct lock_objects *objects, uint64_t address) {
    uint8_t bytes[HEAD_BYTES];
    uint32_t size = py_int_span_wide(objects->layout);
    uint64_t value = attribute_find(objects, address, "_ident");
    uint64_t ident = 0;
    if (value == 0 || size > sizeof bytes ||
        memory_read(objects->memory, raddr_make(value), bytes, size) != STATUS_OK ||
        !py_int_decode(objects->layout, bytes, size, &ident)) {
        return 0;
    }
    return ident;
}
