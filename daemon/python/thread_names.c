#include "daemon/python/thread_names.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/python/py_dict.h"
#include "daemon/python/py_reader.h"
#include "daemon/python/py_type.h"
#include "daemon/python/thread_object.h"

enum {
    NAMES_MAX = 16384,
    TEXT_MAX = 4 * 1024 * 1024, /* bytes of all names together */
    WORK_MAX = 1 << 16,         /* of one refresh, as py_reader counts: enough for 5000 threads */
    ATTEMPTS_MAX = 4,           /* of the whole, when the dict changes meanwhile */
    RETRIES_MAX = 3,            /* of the threads that changed meanwhile */
    LOOKS_MORE = 3,             /* that a name must stand that was not known before */
};

/* A name, and where its text begins in its list's, which moves while it grows. */
struct item {
    struct thread_name name;
    size_t text_at;
};

struct list {
    struct item *items;
    size_t count, capacity;
    uint8_t *text;
    size_t text_size, text_capacity;
};

struct thread_names {
    struct list current, next;
    struct py_reader *reader;
    struct py_types types;
    struct thread_objects objects;
    struct raddr active;                  /* the dict that the last refresh has read */
    uint32_t threading_hint, active_hint; /* where they were in their dicts the last time */
    struct raddr absent_keys; /* the state of sys.modules when threading was not in it */
    uint32_t absent_count;
    uint64_t generation;
};

static void list_clear(struct list *list) {
    list->count = 0;
    list->text_size = 0;
}

static void list_free(struct list *list) {
    free(list->items);
    free(list->text);
}

/* Makes room for `needed` elements of `size` bytes; false beyond `maximum`, or without memory. */
static bool grow(void **data, size_t *capacity, size_t needed, size_t maximum, size_t size) {
    if (needed <= *capacity) {
        return true;
    }
    if (needed > maximum) {
        return false;
    }
    size_t wanted = *capacity * 2 > needed ? *capacity * 2 : needed;
    wanted = wanted < maximum ? wanted : maximum;
    void *grown = realloc(*data, wanted * size);
    if (grown == NULL) {
        return false;
    }
    *data = grown;
    *capacity = wanted;
    return true;
}

/* Appends a name, whose text is set by list_finish. */
static enum status list_append(struct list *list, struct thread_name name, const uint8_t *text) {
    size_t size = (size_t)name.length * name.kind;
    void *items = list->items, *bytes = list->text;
    bool fits = grow(&items, &list->capacity, list->count + 1, NAMES_MAX, sizeof *list->items) &&
                grow(&bytes, &list->text_capacity, list->text_size + size + 1, TEXT_MAX, 1);
    list->items = items;
    list->text = bytes;
    if (!fits) {
        return STATUS_NOMEM;
    }
    memcpy(list->text + list->text_size, text, size);
    list->items[list->count++] = (struct item){.name = name, .text_at = list->text_size};
    list->text_size += size;
    return STATUS_OK;
}

static int item_compare(const void *a, const void *b) {
    uint64_t x = ((const struct item *)a)->name.ident, y = ((const struct item *)b)->name.ident;
    return (x > y) - (x < y);
}

/* Sorts, keeps one name per ident, and sets the texts. */
static void list_finish(struct list *list) {
    if (list->count == 0) {
        return;
    }
    qsort(list->items, list->count, sizeof *list->items, item_compare);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct item item = list->items[i];
        if (kept > 0 && list->items[kept - 1].name.ident == item.name.ident) {
            continue;
        }
        item.name.text = list->text + item.text_at;
        list->items[kept++] = item;
    }
    list->count = kept;
}

static bool list_equal(const struct list *a, const struct list *b) {
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        const struct thread_name *x = &a->items[i].name, *y = &b->items[i].name;
        if (x->ident != y->ident || x->native_id != y->native_id || x->length != y->length ||
            x->kind != y->kind || memcmp(x->text, y->text, (size_t)x->length * x->kind) != 0) {
            return false;
        }
    }
    return true;
}

static const struct thread_name *list_find(const struct list *list, uint64_t ident) {
    struct item key = {.name.ident = ident};
    if (list->count == 0) {
        return NULL;
    }
    const struct item *item =
        bsearch(&key, list->items, list->count, sizeof *list->items, item_compare);
    return item != NULL ? &item->name : NULL;
}

enum status thread_names_create(struct thread_names **out) {
    struct thread_names *names = calloc(1, sizeof *names);
    if (names == NULL) {
        return STATUS_NOMEM;
    }
    enum status status = py_reader_create(&names->reader);
    if (status != STATUS_OK) {
        thread_names_destroy(names);
        return status;
    }
    *out = names;
    return STATUS_OK;
}

void thread_names_destroy(struct thread_names *names) {
    if (names == NULL) {
        return;
    }
    list_free(&names->current);
    list_free(&names->next);
    py_reader_destroy(names->reader);
    free(names);
}

/* Finds threading._active. ABSENT without such a module or attribute. */
static enum status find_active(struct thread_names *names, struct raddr interpreter,
                               struct raddr *active) {
    struct py_reader *reader = names->reader;
    const struct py_layout *layout = py_reader_layout(reader);
    const uint8_t *bytes = py_reader_read(
        reader, raddr_add(interpreter, layout->interpreter.modules), layout->word_size);
    if (bytes == NULL) {
        return py_reader_torn(reader);
    }
    struct raddr address = py_reader_address(reader, bytes);
    if (raddr_is_null(address)) {
        return STATUS_ABSENT; /* before the interpreter's first import */
    }
    struct py_dict dict;
    enum status status = py_dict_open(reader, &names->types, address, &dict);
    if (status != STATUS_OK) {
        return status;
    }
    if (raddr_equal(dict.keys, names->absent_keys) && dict.count == names->absent_count) {
        return STATUS_ABSENT; /* nothing was added since: spare a search in all keys */
    }
    status =
        py_dict_lookup(reader, &names->types, &dict, "threading", &names->threading_hint, &address);
    if (status == STATUS_ABSENT) {
        names->absent_keys = dict.keys;
        names->absent_count = dict.count;
    }
    if (status != STATUS_OK) {
        return status;
    }
    bytes = py_reader_read(reader, raddr_add(address, layout->module.dict), layout->word_size);
    if (bytes == NULL) {
        return py_reader_torn(reader);
    }
    status = py_dict_open(reader, &names->types, py_reader_address(reader, bytes), &dict);
    if (status != STATUS_OK) {
        return status;
    }
    return py_dict_lookup(reader, &names->types, &dict, "_active", &names->active_hint, active);
}

/* Hands the whole ones of a batch to the list, and keeps the others in the batch. */
static enum status take_whole(struct thread_names *names) {
    struct thread_objects *objects = &names->objects;
    uint32_t left = 0;
    for (uint32_t i = 0; i < objects->count; i++) {
        const struct thread_object *item = &objects->items[i];
        if (!item->whole) {
            objects->items[left++] = *item;
            continue;
        }
        enum status status = list_append(&names->next,
                                         (struct thread_name){.ident = item->ident,
                                                              .native_id = item->native_id,
                                                              .length = item->length,
                                                              .kind = item->kind},
                                         objects->names[i]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    objects->count = left;
    return STATUS_OK;
}

/* Whether a batch has a name that was not known before. */
static bool has_news(const struct thread_names *names) {
    for (uint32_t i = 0; i < names->objects.count; i++) {
        const struct thread_object *item = &names->objects.items[i];
        const struct thread_name *known =
            item->whole ? list_find(&names->current, item->ident) : NULL;
        if (item->whole &&
            (known == NULL || known->length != item->length || known->kind != item->kind ||
             memcmp(known->text, names->objects.names[i], (size_t)item->length * item->kind) !=
                 0)) {
            return true;
        }
    }
    return false;
}

/* Reads the batch until everything in it is whole, or for good not. */
static enum status read_batch(struct thread_names *names) {
    for (unsigned i = 0; i < RETRIES_MAX && names->objects.count > 0; i++) {
        thread_objects_read(&names->objects, names->reader, &names->types);
        for (unsigned look = 0; look < LOOKS_MORE && has_news(names); look++) {
            thread_objects_verify(&names->objects, names->reader);
        }
        enum status status = take_whole(names);
        if (status != STATUS_OK) {
            return status;
        }
    }
    names->objects.count = 0;
    return py_reader_failed(names->reader);
}

/* Reads the threads of the dict from entry `first` on into names->next. */
static enum status read_active(struct thread_names *names, const struct py_dict *active,
                               uint32_t first) {
    const struct py_layout *layout = py_reader_layout(names->reader);
    struct thread_objects *objects = &names->objects;
    list_clear(&names->next);
    while (first < active->count) {
        struct py_dict_entry entries[THREAD_OBJECTS_MAX];
        uint32_t count =
            active->count - first < THREAD_OBJECTS_MAX ? active->count - first : THREAD_OBJECTS_MAX;
        enum status status = py_dict_entries(names->reader, active, first, count, entries);
        if (status != STATUS_OK) {
            return status;
        }
        objects->count = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (!raddr_is_null(entries[i].key) && !raddr_is_null(entries[i].value)) {
                objects->items[objects->count++] = (struct thread_object){
                    .slot = py_dict_value_slot(active, layout, first + i), .entry = entries[i]};
            }
        }
        status = read_batch(names);
        if (status != STATUS_OK) {
            return status;
        }
        first += count;
    }
    return STATUS_OK;
}

/* One read of the whole. TORN when the dict was replaced or grew meanwhile, unless `lenient`: each
 * thread that was read is right by itself, only others may be missing. */
static enum status read_names(struct thread_names *names, struct raddr interpreter, bool lenient) {
    struct py_dict active, after;
    struct raddr address = RADDR_NULL;
    enum status status = find_active(names, interpreter, &address);
    if (status == STATUS_OK) {
        status = py_dict_open(names->reader, &names->types, address, &active);
    }
    if (status == STATUS_OK) {
        status = read_active(names, &active, 0);
    }
    names->active = status == STATUS_OK ? address : RADDR_NULL;
    if (status == STATUS_OK && !lenient) {
        status = py_dict_open(names->reader, &names->types, address, &after);
        if (status == STATUS_OK &&
            (!raddr_equal(active.keys, after.keys) || active.count != after.count)) {
            status = STATUS_TORN;
        }
    }
    return status;
}

/* Makes what was read the names that there are. */
static void names_turn(struct thread_names *names) {
    list_finish(&names->next);
    if (!list_equal(&names->current, &names->next)) {
        names->generation++;
    }
    struct list previous = names->current;
    names->current = names->next;
    names->next = previous;
}

enum status thread_names_refresh(struct thread_names *names, const struct memory *memory,
                                 const struct py_layout *layout, struct raddr interpreter) {
    enum status status = STATUS_TORN;
    py_reader_start(names->reader, memory, layout, WORK_MAX);
    list_clear(&names->next);
    /* A search in a dict that is just replaced can miss what is there. */
    bool had_names = names->current.count > 0;
    for (unsigned i = 0;
         i < ATTEMPTS_MAX && (status == STATUS_TORN || (status == STATUS_ABSENT && had_names));
         i++) {
        names->absent_keys = had_names ? RADDR_NULL : names->absent_keys;
        py_types_reset(&names->types);
        thread_objects_reset(&names->objects);
        status = read_names(names, interpreter, i + 1 == ATTEMPTS_MAX);
    }
    if (status == STATUS_ABSENT) {
        list_clear(&names->next);
    } else if (status == STATUS_NOMEM && names->next.count > 0) {
        status = STATUS_OK; /* what there is is right */
    } else if (status != STATUS_OK) {
        return status;
    }
    names_turn(names);
    return status;
}

/* Adds the names of before to those read now, which come first where both have one. */
static enum status keep_others(struct thread_names *names) {
    list_finish(&names->next);
    const size_t read = names->next.count;
    for (size_t i = 0; i < names->current.count; i++) {
        const struct thread_name *name = &names->current.items[i].name;
        const struct list newer = {.items = names->next.items, .count = read};
        if (list_find(&newer, name->ident) == NULL) {
            enum status status = list_append(&names->next, *name, name->text);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    return STATUS_OK;
}

enum status thread_names_extend(struct thread_names *names, const struct memory *memory,
                                const struct py_layout *layout, struct raddr interpreter,
                                uint32_t newest) {
    if (raddr_is_null(names->active)) {
        return thread_names_refresh(names, memory, layout, interpreter);
    }
    struct py_dict active;
    py_reader_start(names->reader, memory, layout, WORK_MAX);
    py_types_reset(&names->types);
    thread_objects_reset(&names->objects);
    enum status status = py_dict_open(names->reader, &names->types, names->active, &active);
    if (status == STATUS_OK) {
        newest = (newest + THREAD_OBJECTS_MAX - 1) / THREAD_OBJECTS_MAX * THREAD_OBJECTS_MAX;
        status = read_active(names, &active, active.count > newest ? active.count - newest : 0);
    }
    if (status == STATUS_OK) {
        status = keep_others(names);
    }
    if (status == STATUS_OK) {
        names_turn(names);
    }
    return status;
}

uint64_t thread_names_generation(const struct thread_names *names) {
    return names->generation;
}

size_t thread_names_count(const struct thread_names *names) {
    return names->current.count;
}

const struct thread_name *thread_names_at(const struct thread_names *names, size_t index) {
    return index < names->current.count ? &names->current.items[index].name : NULL;
}

const struct thread_name *thread_names_find(const struct thread_names *names, uint64_t ident,
                                            int64_t native_id, bool main) {
    const struct thread_name *name = list_find(&names->current, ident);
    if (name == NULL || main || name->native_id < 0 || native_id < 0 ||
        name->native_id == native_id) {
        return name;
    }
    return NULL;
}
