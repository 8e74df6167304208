#include "daemon/where/value_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/guard.h"
#include "daemon/python/py_dict.h"
#include "daemon/python/py_object.h"
#include "daemon/python/string_object.h"
#include "daemon/snapshot/thread_image.h"

enum {
    TYPE_NAME_MAX = 64,
    SET_ENTRIES_MAX = 64, /* of a set's table that are gone through */
    DICT_ENTRIES_MAX = 4 * VALUE_ITEMS_MAX,
    SET_BYTES_MAX = SET_ENTRIES_MAX * 16,
    LEVEL_ITEMS_MAX = 2 * VALUE_ITEMS_MAX,
    INT_BYTES_MAX = 32, /* of an int object with up to 64 bits */
    DICT_WORK = 256,    /* reads for a dict */
    POINT_MAX = 0x10FFFF,
};

enum kind {
    KIND_OTHER,
    KIND_NONE,
    KIND_BOOL,
    KIND_INT,
    KIND_FLOAT,
    KIND_STR,
    KIND_BYTES,
    KIND_TUPLE,
    KIND_LIST,
    KIND_DICT,
    KIND_SET,
    KIND_CELL,
};

static const struct {
    const char *name;
    enum kind kind;
} kinds[] = {
    {"NoneType", KIND_NONE}, {"bool", KIND_BOOL},   {"int", KIND_INT},     {"float", KIND_FLOAT},
    {"str", KIND_STR},       {"bytes", KIND_BYTES}, {"tuple", KIND_TUPLE}, {"list", KIND_LIST},
    {"dict", KIND_DICT},     {"set", KIND_SET},     {"cell", KIND_CELL},
};

struct text {
    char *out;
    size_t length; /* below VALUE_TEXT_MAX */
    bool cut;
};

/* A container that is being written. */
struct level {
    enum kind kind;
    uint64_t items[LEVEL_ITEMS_MAX]; /* objects that it holds; of a dict keys and values in turn */
    uint32_t count, next;
    bool more; /* there are others */
};

static const char cut_mark[] = "...";

enum status value_reader_init(struct value_reader *reader, const struct memory *memory,
                              const struct py_layout *layout) {
    *reader = (struct value_reader){.memory = memory,
                                    .layout = layout,
                                    .values = value_layout_find(layout),
                                    .objects_left = VALUE_OBJECTS_MAX};
    return reader->values == NULL ? STATUS_UNSUPPORTED : py_reader_create(&reader->reader);
}

void value_reader_deinit(struct value_reader *reader) {
    py_reader_destroy(reader->reader);
    reader->reader = NULL;
}

/* Adds a piece whole, or marks the text as cut. */
static void text_add(struct text *text, const char *piece, size_t size) {
    if (text->cut || text->length + size + sizeof cut_mark > VALUE_TEXT_MAX) {
        text->cut = true;
        return;
    }
    memcpy(text->out + text->length, piece, size);
    text->length += size;
}

static void text_say(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void text_say(struct text *text, const char *format, ...) {
    char piece[VALUE_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    text_add(text, piece, length < 0 ? 0 : (size_t)length);
}

/* One character between quotes. */
static void text_add_point(struct text *text, uint32_t point) {
    char utf8[4];
    if (point == '\'' || point == '\\') {
        text_say(text, "\\%c", (char)point);
    } else if (point == '\n' || point == '\r' || point == '\t') {
        text_say(text, "\\%c", point == '\n' ? 'n' : point == '\r' ? 'r' : 't');
    } else if (point < 0x20 || (point >= 0x7F && point < 0xA0)) {
        text_say(text, "\\x%02x", (unsigned)point);
    } else if (point < 0x80) {
        utf8[0] = (char)point;
        text_add(text, utf8, 1);
    } else if (point > POINT_MAX || (point >= 0xD800 && point < 0xE000)) {
        text_say(text, "\\u%04x", (unsigned)point);
    } else {
        size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        static const uint8_t first[] = {0, 0, 0xC0, 0xE0, 0xF0};
        for (size_t i = length; i-- > 1;) {
            utf8[i] = (char)(0x80U | (point & 0x3FU));
            point >>= 6;
        }
        utf8[0] = (char)(first[length] | point);
        text_add(text, utf8, length);
    }
}

static bool word_read(const struct value_reader *reader, uint64_t address, uint32_t offset,
                      uint64_t *out) {
    return memory_read_word(reader->memory, raddr_add(raddr_make(address), offset), out) ==
           STATUS_OK;
}

/* The type's name, and what that is if it is one of the interpreter's own types: a class of the
 * program's, which lies on the heap, may have the name too. False if it cannot be read. */
static bool kind_find(struct value_reader *reader, uint64_t object, char *name, enum kind *kind) {
    const struct py_layout *layout = reader->layout;
    uint64_t type = 0;
    uint64_t flags = 0;
    uint64_t at = 0;
    if (!word_read(reader, object, layout->object.ob_type, &type) ||
        !word_read(reader, type, layout->type.flags, &flags) ||
        !word_read(reader, type, layout->type.name, &at)) {
        return false;
    }
    if (memory_read_string(reader->memory, raddr_make(at), name, TYPE_NAME_MAX) != STATUS_OK) {
        (void)snprintf(name, TYPE_NAME_MAX, "object");
    }
    *kind = KIND_OTHER;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && (flags & PY_TYPE_HEAP) == 0; i++) {
        *kind = strcmp(name, kinds[i].name) == 0 ? kinds[i].kind : *kind;
    }
    return true;
}

/* The sign and the number of digits, and the same int without its sign. */
static uint64_t int_digits(const struct py_layout *layout, uint8_t *bytes, bool *negative) {
    uint8_t *at = bytes + layout->integer.ob_size_or_tag;
    uint64_t tag = image_word(at, layout->word_size);
    if (layout->integer.has_tag) {
        *negative = (tag & 3) == 2;
        tag &= ~UINT64_C(3);
        memcpy(at, &tag, layout->word_size);
        return tag >> 3;
    }
    int64_t size = layout->word_size == 8 ? (int64_t)tag : (int32_t)(uint32_t)tag;
    *negative = size < 0;
    tag = *negative ? -(uint64_t)size : (uint64_t)size;
    memcpy(at, &tag, layout->word_size);
    return tag;
}

static bool int_write(struct value_reader *reader, uint64_t object, struct text *text) {
    const struct py_layout *layout = reader->layout;
    uint8_t bytes[INT_BYTES_MAX + sizeof(uint64_t)] = {0};
    bool negative = false;
    uint64_t value = 0;
    if (memory_read(reader->memory, raddr_make(object), bytes, layout->integer.digits) !=
        STATUS_OK) {
        return false;
    }
    uint64_t digits = int_digits(layout, bytes, &negative);
    uint64_t size = digits * (layout->integer.digit_bits == 15 ? 2 : 4);
    if (digits > INT_BYTES_MAX || layout->integer.digits + size > sizeof bytes) {
        text_say(text, "<int of up to %" PRIu64 " bits>", digits * layout->integer.digit_bits);
        return true;
    }
    struct raddr at = raddr_add(raddr_make(object), layout->integer.digits);
    if (memory_read(reader->memory, at, bytes + layout->integer.digits, size) != STATUS_OK) {
        return false;
    }
    if (py_int_decode(layout, bytes, layout->integer.digits + size, &value)) {
        text_say(text, "%s%" PRIu64, negative ? "-" : "", value);
    } else {
        text_say(text, "<int of up to %" PRIu64 " bits>", digits * layout->integer.digit_bits);
    }
    return true;
}

/* The shortest text that is that number, as float.__repr__ gives it. */
static bool float_write(struct value_reader *reader, uint64_t object, struct text *text) {
    double value = 0;
    char digits[40];
    if (memory_read(reader->memory, raddr_add(raddr_make(object), reader->values->real), &value,
                    sizeof value) != STATUS_OK) {
        return false;
    }
    for (int precision = 1; precision <= 17; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
    text_say(text, "%s%s", digits, strspn(digits, "-0123456789") == strlen(digits) ? ".0" : "");
    return true;
}

static bool bool_write(struct value_reader *reader, uint64_t object, struct text *text) {
    const struct py_layout *layout = reader->layout;
    uint64_t tag = 0;
    if (!word_read(reader, object, layout->integer.ob_size_or_tag, &tag)) {
        return false;
    }
    text_say(text, "%s", (layout->integer.has_tag ? tag >> 3 : tag) == 0 ? "False" : "True");
    return true;
}

static bool str_write(struct value_reader *reader, uint64_t object, struct text *text) {
    STRING_OBJECT_GUARD struct string_object string = {.bytes = NULL};
    if (string_object_read(reader->memory, reader->layout, raddr_make(object), &string) !=
        STATUS_OK) {
        return false;
    }
    text_say(text, "'");
    for (uint32_t i = 0; i < string.length && i < VALUE_CHARACTERS_MAX; i++) {
        uint32_t point = 0;
        memcpy(&point, string.bytes + (size_t)i * string.kind, string.kind);
        text_add_point(text, point);
    }
    text_say(text, "%s'", string.length > VALUE_CHARACTERS_MAX ? cut_mark : "");
    return true;
}

static bool bytes_write(struct value_reader *reader, uint64_t object, struct text *text) {
    uint8_t bytes[VALUE_CHARACTERS_MAX];
    uint64_t size = 0;
    if (!word_read(reader, object, reader->layout->bytes.size, &size)) {
        return false;
    }
    size_t shown = size < sizeof bytes ? (size_t)size : sizeof bytes;
    struct raddr at = raddr_add(raddr_make(object), reader->layout->bytes.data);
    if (memory_read(reader->memory, at, bytes, shown) != STATUS_OK) {
        return false;
    }
    text_say(text, "b'");
    for (size_t i = 0; i < shown; i++) {
        if (bytes[i] < 0x80) {
            text_add_point(text, bytes[i]);
        } else {
            text_say(text, "\\x%02x", bytes[i]);
        }
    }
    text_say(text, "%s'", size > shown ? cut_mark : "");
    return true;
}

/* Notes the items of a tuple or a list, which stand at `items`. */
static bool items_take(struct value_reader *reader, uint64_t items, uint64_t size,
                       struct level *level) {
    const unsigned w = reader->layout->word_size;
    uint8_t bytes[VALUE_ITEMS_MAX * sizeof(uint64_t)];
    uint32_t count = size < VALUE_ITEMS_MAX ? (uint32_t)size : VALUE_ITEMS_MAX;
    if (memory_read(reader->memory, raddr_make(items), bytes, (size_t)count * w) != STATUS_OK) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        level->items[level->count++] = image_word(bytes + (size_t)i * w, w);
    }
    level->more = size > count;
    return true;
}

static bool tuple_take(struct value_reader *reader, uint64_t object, struct level *level) {
    uint64_t size = 0;
    return word_read(reader, object, reader->values->tuple.size, &size) &&
           items_take(reader, object + reader->values->tuple.items, size, level);
}

static bool list_take(struct value_reader *reader, uint64_t object, struct level *level) {
    uint64_t size = 0;
    uint64_t items = 0;
    return word_read(reader, object, reader->values->list.size, &size) &&
           word_read(reader, object, reader->values->list.items, &items) &&
           (size == 0 || items_take(reader, items, size, level));
}

/* Keys and values, in turn. */
static bool dict_take(struct value_reader *reader, uint64_t object, struct level *level) {
    struct py_dict dict;
    struct py_dict_entry entries[DICT_ENTRIES_MAX];
    py_reader_start(reader->reader, reader->memory, reader->layout, DICT_WORK);
    py_types_reset(&reader->types);
    if (py_dict_open(reader->reader, &reader->types, raddr_make(object), &dict) != STATUS_OK) {
        return false;
    }
    uint32_t count = dict.count < DICT_ENTRIES_MAX ? dict.count : DICT_ENTRIES_MAX;
    if (count > 0 && py_dict_entries(reader->reader, &dict, 0, count, entries) != STATUS_OK) {
        return false;
    }
    level->more = dict.count > count;
    for (uint32_t i = 0; i < count; i++) {
        if (raddr_is_null(entries[i].value) || raddr_is_null(entries[i].key)) {
            continue; /* taken out */
        }
        if (level->count == LEVEL_ITEMS_MAX) {
            level->more = true;
            break;
        }
        level->items[level->count++] = entries[i].key.v;
        level->items[level->count++] = entries[i].value.v;
    }
    return true;
}

static bool set_take(struct value_reader *reader, uint64_t object, struct level *level) {
    const unsigned w = reader->layout->word_size;
    const uint64_t deleted = w == 8 ? UINT64_MAX : UINT32_MAX; /* the hash of what was taken out */
    uint8_t bytes[SET_BYTES_MAX];
    uint64_t used = 0;
    uint64_t mask = 0;
    uint64_t table = 0;
    if (!word_read(reader, object, reader->values->set.used, &used) ||
        !word_read(reader, object, reader->values->set.mask, &mask) ||
        !word_read(reader, object, reader->values->set.table, &table)) {
        return false;
    }
    size_t entry_size = (size_t)2 * w;
    size_t count = mask < SET_ENTRIES_MAX ? (size_t)mask + 1 : SET_ENTRIES_MAX;
    if (memory_read(reader->memory, raddr_make(table), bytes, count * entry_size) != STATUS_OK) {
        return false;
    }
    for (size_t i = 0; i < count && level->count < VALUE_ITEMS_MAX && level->count < used; i++) {
        uint64_t key = image_word(bytes + i * entry_size, w);
        if (key != 0 && image_word(bytes + i * entry_size + w, w) != deleted) {
            level->items[level->count++] = key;
        }
    }
    level->more = level->count < used;
    return true;
}

/* Notes what a container holds; false if it cannot be read. */
static bool container_take(struct value_reader *reader, enum kind kind, uint64_t object,
                           struct level *level) {
    *level = (struct level){.kind = kind};
    switch (kind) {
    case KIND_TUPLE:
        return tuple_take(reader, object, level);
    case KIND_LIST:
        return list_take(reader, object, level);
    case KIND_DICT:
        return dict_take(reader, object, level);
    case KIND_SET:
        return set_take(reader, object, level);
    default:
        return false;
    }
}

/* Writes what is no container; false if it is none of these, or cannot be read. */
static bool scalar_write(struct value_reader *reader, enum kind kind, uint64_t object,
                         struct text *text) {
    switch (kind) {
    case KIND_NONE:
        text_say(text, "None");
        return true;
    case KIND_BOOL:
        return bool_write(reader, object, text);
    case KIND_INT:
        return int_write(reader, object, text);
    case KIND_FLOAT:
        return float_write(reader, object, text);
    case KIND_STR:
        return str_write(reader, object, text);
    case KIND_BYTES:
        return bytes_write(reader, object, text);
    default:
        return false;
    }
}

static const char *opening(enum kind kind) {
    return kind == KIND_TUPLE ? "(" : kind == KIND_LIST ? "[" : "{";
}

static const char *closing(enum kind kind) {
    return kind == KIND_TUPLE ? ")" : kind == KIND_LIST ? "]" : "}";
}

/* Writes an object, or opens it if it holds others, as level `*depth`. */
static void object_begin(struct value_reader *reader, uint64_t object, struct level *levels,
                         unsigned *depth, struct text *text) {
    char name[TYPE_NAME_MAX];
    enum kind kind = KIND_OTHER;
    if (reader->objects_left == 0 || object == 0 || !kind_find(reader, object, name, &kind)) {
        text_say(text, "?");
        return;
    }
    reader->objects_left--;
    bool container =
        kind == KIND_TUPLE || kind == KIND_LIST || kind == KIND_DICT || kind == KIND_SET;
    if (container && *depth == VALUE_DEPTH_MAX) {
        text_say(text, "%s...%s", opening(kind), closing(kind));
    } else if (container && container_take(reader, kind, object, &levels[*depth])) {
        const struct level *level = &levels[*depth];
        bool empty_set = kind == KIND_SET && level->count == 0 && !level->more;
        text_say(text, "%s", empty_set ? "set()" : opening(kind));
        *depth += empty_set ? 0 : 1;
    } else if (container || !scalar_write(reader, kind, object, text)) {
        text_say(text, "<%s at 0x%" PRIx64 ">", name, object);
    }
}

static void level_end(const struct level *level, struct text *text) {
    bool single = level->kind == KIND_TUPLE && level->count == 1 && !level->more;
    text_say(text, "%s%s%s",
             single                            ? ","
             : level->more && level->count > 0 ? ", "
                                               : "",
             level->more ? cut_mark : "", closing(level->kind));
}

/* The object with all that it holds. */
static void object_write(struct value_reader *reader, uint64_t object, struct text *text) {
    struct level levels[VALUE_DEPTH_MAX];
    unsigned depth = 0;
    while (!text->cut) {
        object_begin(reader, object, levels, &depth, text);
        while (depth > 0 && levels[depth - 1].next == levels[depth - 1].count) {
            level_end(&levels[--depth], text);
        }
        if (depth == 0) {
            break;
        }
        struct level *level = &levels[depth - 1];
        bool value = level->kind == KIND_DICT && level->next % 2 == 1;
        text_say(text, "%s", value ? ": " : level->next > 0 ? ", " : "");
        object = level->items[level->next++];
    }
}

void value_text_write(struct value_reader *reader, uint64_t address, char *out) {
    struct text text = {.out = out};
    char name[TYPE_NAME_MAX];
    enum kind kind = KIND_OTHER;
    uint64_t held = 0;
    if (address != 0 && kind_find(reader, address, name, &kind) && kind == KIND_CELL &&
        word_read(reader, address, reader->values->cell, &held) && held != 0) {
        address = held;
    }
    object_write(reader, address, &text);
    if (text.cut) {
        memcpy(out + text.length, cut_mark, sizeof cut_mark - 1);
        text.length += sizeof cut_mark - 1;
    }
    out[text.length] = '\0';
}
