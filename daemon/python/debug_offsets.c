#include "daemon/python/debug_offsets.h"

#include <string.h>

#include "daemon/python/debug_offsets_words.h"

/* cookie, version and free_threaded, each of eight bytes also in 32-bit targets. */
enum { HEAD_WORDS = 3, WORD_BYTES = 8 };

static const char cookie[WORD_BYTES] = {'x', 'd', 'e', 'b', 'u', 'g', 'p', 'y'};

/* Where PyInterpreterState.jit lies: no table of the target's tells, and it is far behind what
 * moves between releases. Measured in the headers of 3.14.0, 3.14.10 and 3.15.2 (where the JIT
 * adds eight bytes behind it); told apart by the size of the struct. A release that is not here has
 * LAYOUT_ABSENT, and thread.executor all the same. */
static const struct {
    uint8_t minor;
    uint8_t word_size;
    uint32_t interpreter_size;
    uint32_t jit;
} jit_places[] = {
    {14, 8, 225808, 223152}, {14, 8, 225864, 223184}, {14, 4, 115440, 113804},
    {15, 8, 226232, 223408}, {15, 8, 226240, 223408}, {15, 4, 115652, 113932},
};

/* One reading of a table. */
struct reading {
    const struct py_layout *row;
    struct py_layout *filled;
    unsigned minor;
    uint64_t struct_size; /* of the struct whose members are being read */
    uint64_t interpreter_size;
    uint64_t thread_size;
};

size_t debug_offsets_size(unsigned minor) {
    size_t count = debug_offsets_words(minor).count;
    return count == 0 ? 0 : (HEAD_WORDS + count) * WORD_BYTES;
}

static uint64_t word_at(const void *bytes, size_t index) {
    uint64_t value;
    memcpy(&value, (const uint8_t *)bytes + index * WORD_BYTES, sizeof value);
    return value;
}

bool debug_offsets_version(const void *bytes, size_t size, uint32_t *version) {
    if (size < DEBUG_OFFSETS_HEAD || memcmp(bytes, cookie, sizeof cookie) != 0) {
        return false;
    }
    uint64_t value = word_at(bytes, 1);
    if (value >> 24 != 3) {
        return false;
    }
    *version = (uint32_t)value;
    return true;
}

static uint32_t member_get(const struct py_layout *layout, uint16_t member) {
    uint32_t value;
    memcpy(&value, (const uint8_t *)layout + member, sizeof value);
    return value;
}

static void member_set(struct py_layout *layout, uint16_t member, uint32_t value) {
    memcpy((uint8_t *)layout + member, &value, sizeof value);
}

static uint32_t word_width(const struct word *word, uint32_t word_size) {
    return word->width == WIDTH_POINTER ? word_size : word->width;
}

static enum status size_read(struct reading *reading, const struct word *word, uint64_t value,
                             struct error *error) {
    if (value == 0 || value > word->most || value % reading->row->word_size != 0) {
        return error_set(error, STATUS_CORRUPT,
                         "its debug offsets give %s a size of %llu bytes, which cannot be",
                         word->name, (unsigned long long)value);
    }
    reading->struct_size = value;
    if (word->into == WORD_NOWHERE) {
        return STATUS_OK;
    }
    uint32_t own = member_get(reading->row, word->into);
    if (own != LAYOUT_ABSENT && own != value) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "its %s has %llu bytes where CPython 3.%u has %u: not a build we know",
                         word->name, (unsigned long long)value, reading->minor, own);
    }
    member_set(reading->filled, word->into, (uint32_t)value);
    return STATUS_OK;
}

static enum status offset_read(struct reading *reading, const struct word *word, uint64_t value,
                               struct error *error) {
    uint32_t width = word_width(word, reading->row->word_size);
    uint32_t align = width < reading->row->word_size ? width : reading->row->word_size;
    /* What nobody needs may be anywhere in the struct: we do not know how wide it is. */
    uint64_t room = reading->struct_size - (word->rule == WORD_SEEN ? 1 : 0);
    if (value > room || width > room - value || (align != 0 && value % align != 0)) {
        return error_set(error, STATUS_CORRUPT,
                         "its debug offsets put %s at %llu in a struct of %llu bytes", word->name,
                         (unsigned long long)value, (unsigned long long)reading->struct_size);
    }
    if (word->rule == WORD_SEEN) {
        return STATUS_OK;
    }
    uint32_t own = member_get(reading->row, word->into);
    if (word->rule == WORD_SAME) {
        return own == value
                   ? STATUS_OK
                   : error_set(
                         error, STATUS_UNSUPPORTED,
                         "its %s lies at %llu where CPython 3.%u has it at %u: not a build we "
                         "know (a pre-release, or patched)",
                         word->name, (unsigned long long)value, reading->minor, own);
    }
    if (value == 0 && own != 0) {
        return error_set(error, STATUS_CORRUPT, "its debug offsets say nothing about %s",
                         word->name);
    }
    member_set(reading->filled, word->into, (uint32_t)value);
    return STATUS_OK;
}

/* Every word on its own. */
static enum status words_read(struct reading *reading, const void *bytes, struct word_table table,
                              struct error *error) {
    for (size_t i = 0; i < table.count; ++i) {
        const struct word *word = &table.words[i];
        uint64_t value = word_at(bytes, HEAD_WORDS + i);
        enum status status = STATUS_OK;
        switch ((enum word_rule)word->rule) {
        case WORD_SIZE:
            status = size_read(reading, word, value, error);
            break;
        case WORD_TAKEN:
        case WORD_SAME:
        case WORD_SEEN:
            status = offset_read(reading, word, value, error);
            break;
        case WORD_OTHER:
            if (value > WORD_OTHER_MOST) {
                status = error_set(error, STATUS_CORRUPT,
                                   "its debug offsets give %s as %llu, which cannot be", word->name,
                                   (unsigned long long)value);
            }
            break;
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (word->into == offsetof(struct py_layout, interpreter.next)) {
            reading->interpreter_size = reading->struct_size;
        } else if (word->into == offsetof(struct py_layout, thread.prev)) {
            reading->thread_size = reading->struct_size;
        }
    }
    return STATUS_OK;
}

/* No two members that were taken from one struct may share a byte. */
static enum status overlaps_find(const void *bytes, struct word_table table, uint32_t word_size,
                                 struct error *error) {
    for (size_t i = 0; i < table.count; ++i) {
        if (table.words[i].rule != WORD_TAKEN) {
            continue;
        }
        uint64_t at = word_at(bytes, HEAD_WORDS + i);
        for (size_t j = i; j-- > 0 && table.words[j].rule != WORD_SIZE;) {
            uint64_t other = word_at(bytes, HEAD_WORDS + j);
            if (table.words[j].rule == WORD_TAKEN &&
                at < other + word_width(&table.words[j], word_size) &&
                other < at + word_width(&table.words[i], word_size)) {
                return error_set(error, STATUS_CORRUPT,
                                 "its debug offsets put %s and %s in the same place",
                                 table.words[j].name, table.words[i].name);
            }
        }
    }
    return STATUS_OK;
}

/* The members that the table does not name: id stands before datastack_chunk, datastack_top,
 * datastack_limit and (a fixed way behind) current_executor after it in struct _ts,
 * Include/cpython/ pystate.h of all releases of 3.13 to 3.15, so that they move together. */
static enum status neighbours_shift(struct reading *reading, struct error *error) {
    static const uint16_t neighbours[] = {
        offsetof(struct py_layout, thread.id),
        offsetof(struct py_layout, thread.datastack_top),
        offsetof(struct py_layout, thread.datastack_limit),
        offsetof(struct py_layout, thread.executor),
    };
    int64_t shift = (int64_t)reading->filled->thread.datastack_chunk -
                    (int64_t)reading->row->thread.datastack_chunk;
    for (size_t i = 0; i < sizeof neighbours / sizeof *neighbours; ++i) {
        uint32_t own = member_get(reading->row, neighbours[i]);
        if (own == LAYOUT_ABSENT) {
            continue;
        }
        int64_t at = (int64_t)own + shift;
        if (at < 0 || at + WORD_BYTES > (int64_t)reading->thread_size) {
            return error_set(error, STATUS_CORRUPT,
                             "its debug offsets leave no room around datastack_chunk");
        }
        member_set(reading->filled, neighbours[i], (uint32_t)at);
    }
    return STATUS_OK;
}

static uint32_t later(uint32_t end, uint32_t offset, uint32_t width) {
    return offset == LAYOUT_ABSENT || offset + width < end ? end : offset + width;
}

/* How much of an interpreter and of a thread state has to be read. */
static void sizes_count(struct py_layout *layout) {
    uint32_t word = layout->word_size;
    uint32_t end = later(0, layout->interpreter.next, word);
    end = later(end, layout->interpreter.id, sizeof(int64_t));
    end = later(end, layout->interpreter.threads_head, word);
    layout->interpreter.size = later(end, layout->interpreter.modules, word);

    end = later(0, layout->thread.prev, word);
    end = later(end, layout->thread.next, word);
    end = later(end, layout->thread.interp, word);
    end = later(end, layout->thread.id, sizeof(uint64_t));
    end = later(end, layout->thread.thread_id, word);
    end = later(end, layout->thread.native_thread_id, word);
    end = later(end, layout->thread.current_frame, word);
    end = later(end, layout->thread.datastack_limit, word);
    layout->thread.size = later(end, layout->thread.executor, word);
}

static uint32_t jit_find(unsigned minor, unsigned word_size, uint64_t interpreter_size) {
    for (size_t i = 0; i < sizeof jit_places / sizeof *jit_places; ++i) {
        if (jit_places[i].minor == minor && jit_places[i].word_size == word_size &&
            jit_places[i].interpreter_size == interpreter_size) {
            return jit_places[i].jit;
        }
    }
    return LAYOUT_ABSENT;
}

/* Cookie, version and kind of build; then the words can be believed to be this minor's. */
static enum status head_check(const void *bytes, size_t size, unsigned minor, bool *free_threaded,
                              struct error *error) {
    uint32_t version;
    if (size < debug_offsets_size(minor) || !debug_offsets_version(bytes, size, &version)) {
        return error_set(error, STATUS_CORRUPT,
                         "there are no debug offsets of CPython 3.%u at the start of its runtime",
                         minor);
    }
    if ((version >> 16 & 0xff) != minor) {
        return error_set(error, STATUS_CORRUPT,
                         "its debug offsets are of CPython 3.%u, but it is 3.%u",
                         version >> 16 & 0xff, minor);
    }
    uint64_t flag = word_at(bytes, 2);
    if (flag > 1) {
        return error_set(error, STATUS_CORRUPT,
                         "its debug offsets do not say whether it is free-threaded");
    }
    if (flag == 1) {
        *free_threaded = true;
        return error_set(error, STATUS_UNSUPPORTED, "it is a free-threaded build of CPython 3.%u",
                         minor);
    }
    *free_threaded = false;
    return STATUS_OK;
}

enum status debug_offsets_apply(const void *bytes, size_t size, unsigned minor, unsigned word_size,
                                struct py_layout *layout, bool *free_threaded,
                                struct error *error) {
    struct word_table table = debug_offsets_words(minor);
    if (table.count == 0 || layout->minor != minor || layout->word_size != word_size) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "no debug offsets are known for CPython 3.%u with %u-byte words", minor,
                         word_size);
    }
    enum status status = head_check(bytes, size, minor, free_threaded, error);
    if (status != STATUS_OK) {
        return status;
    }
    struct py_layout filled = *layout;
    struct reading reading = {.row = layout, .filled = &filled, .minor = minor};
    if ((status = words_read(&reading, bytes, table, error)) != STATUS_OK ||
        (status = overlaps_find(bytes, table, word_size, error)) != STATUS_OK ||
        (status = neighbours_shift(&reading, error)) != STATUS_OK) {
        return status;
    }
    if (filled.runtime.interpreters_head < debug_offsets_size(minor)) {
        return error_set(error, STATUS_CORRUPT,
                         "its debug offsets put interpreters.head inside themselves");
    }
    filled.interpreter.jit = jit_find(minor, word_size, reading.interpreter_size);
    sizes_count(&filled);
    *layout = filled;
    return STATUS_OK;
}
