#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/python/py_dict.h"

/* A heap of the test's own making, in this process: objects as a CPython of some layout has them.
 */
enum { HEAP_BYTES = 1 << 20, GENERAL = 0, UNICODE = 1, SPLIT = 2 };

struct heap {
    unsigned round; /* layouts so far */
    const struct py_layout *layout;
    struct memory memory;
    struct py_reader *reader;
    struct py_types types;
    uint8_t *bytes;
    size_t used;
    struct raddr dict_type, str_type, other_type;
};

static struct raddr heap_take(struct heap *heap, size_t size) {
    struct raddr address = raddr_make((uintptr_t)heap->bytes + heap->used);
    heap->used += (size + 15) / 16 * 16;
    cr_assert_leq(heap->used, HEAP_BYTES);
    return address;
}

static void put(const struct heap *heap, struct raddr address, uint64_t offset, uint64_t value,
                size_t size) {
    memcpy(heap->bytes + (address.v - (uintptr_t)heap->bytes) + offset, &value, size);
}

static void put_word(const struct heap *heap, struct raddr address, uint64_t offset,
                     uint64_t value) {
    put(heap, address, offset, value, heap->layout->word_size);
}

static struct raddr make_type(struct heap *heap, uint64_t flags) {
    struct raddr type = heap_take(heap, 1024);
    put_word(heap, type, heap->layout->type.flags, flags);
    return type;
}

/* Makes the heap of the next layout, after that of the one before; false after the last. Begins
 * with a heap of zeros. */
static bool heap_next(struct heap *heap) {
    static const unsigned minors[] = {8, 10, 11, 12, 13, 15};
    unsigned round = heap->round;
    if (round > 0) {
        py_reader_destroy(heap->reader);
        (void)munmap(heap->bytes, HEAP_BYTES);
    }
    if (round == 2 * sizeof minors / sizeof *minors) {
        return false;
    }
    unsigned word_size = round % 2 == 0 ? 8 : 4;
    *heap = (struct heap){.round = round + 1,
                          .layout = layout_find(3, minors[round / 2], word_size),
                          .memory = {.pid = getpid(), .word_size = word_size}};
    cr_assert_not_null(heap->layout);
    cr_assert_eq(py_reader_create(&heap->reader), STATUS_OK);
    py_reader_start(heap->reader, &heap->memory, heap->layout, 100000);
    heap->bytes = mmap(NULL, HEAP_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    cr_assert_neq(heap->bytes, MAP_FAILED);
    heap->dict_type = make_type(heap, PY_TYPE_DICT);
    heap->str_type = make_type(heap, PY_TYPE_STR);
    heap->other_type = make_type(heap, PY_TYPE_INT);
    return true;
}

/* A compact string of ASCII letters; with `kind` 2 in two bytes each, which no interpreter makes.
 */
static struct raddr make_string(struct heap *heap, const char *text, unsigned kind) {
    const struct py_layout *layout = heap->layout;
    bool ascii = kind == 1;
    uint32_t data = ascii ? layout->unicode.ascii_data : layout->unicode.compact_data;
    struct raddr string = heap_take(heap, data + (strlen(text) + 1) * kind);
    put_word(heap, string, layout->object.ob_type, heap->str_type.v);
    put_word(heap, string, layout->unicode.length, strlen(text));
    put(heap, string, layout->unicode.state,
        kind << layout->unicode.kind_shift | 1U << layout->unicode.compact_shift |
            (unsigned)ascii << layout->unicode.ascii_shift,
        4);
    for (size_t i = 0; i < strlen(text); i++) {
        put(heap, string, data + i * kind, (unsigned char)text[i], kind);
    }
    return string;
}

/* A keys table for `size` entries, a power of two, with nothing in it. */
static struct raddr make_keys(struct heap *heap, unsigned size, unsigned kind) {
    const struct py_layout *layout = heap->layout;
    unsigned index_bytes = size <= UINT8_MAX ? size : size * 2;
    struct raddr keys = heap_take(heap, layout->dict_keys.indices + index_bytes +
                                            (size_t)size * 3 * layout->word_size);
    if (layout->dict_keys.size_is_log2) {
        put(heap, keys, layout->dict_keys.log2_size, (unsigned)__builtin_ctz(size), 1);
        put(heap, keys, layout->dict_keys.log2_index_bytes, (unsigned)__builtin_ctz(index_bytes),
            1);
        put(heap, keys, layout->dict_keys.kind, kind, 1);
    } else {
        put_word(heap, keys, layout->dict_keys.log2_size, size);
    }
    return keys;
}

static struct raddr make_dict(struct heap *heap, struct raddr keys, struct raddr values) {
    const struct py_layout *layout = heap->layout;
    struct raddr dict = heap_take(heap, 128);
    put_word(heap, dict, layout->object.ob_type, heap->dict_type.v);
    put_word(heap, dict, layout->dict.keys, keys.v);
    put_word(heap, dict, layout->dict.values, values.v);
    return dict;
}

/* Puts an entry behind the others of a table that was made for `size`. */
static void append(struct heap *heap, struct raddr keys, unsigned size, unsigned kind,
                   unsigned index, struct raddr key, struct raddr value) {
    const struct py_layout *layout = heap->layout;
    unsigned words = layout->dict_keys.size_is_log2 && kind != GENERAL ? 2 : 3;
    uint64_t entry = layout->dict_keys.indices + (size <= UINT8_MAX ? size : size * 2) +
                     (uint64_t)index * words * layout->word_size;
    put_word(heap, keys, entry + (words - 2) * layout->word_size, key.v);
    put_word(heap, keys, entry + (words - 1) * layout->word_size, value.v);
    put_word(heap, keys, layout->dict_keys.nentries, index + 1);
}

static enum status lookup(struct heap *heap, struct raddr address, const char *name, uint32_t *hint,
                          struct raddr *value) {
    struct py_dict dict;
    enum status status = py_dict_open(heap->reader, &heap->types, address, &dict);
    if (status != STATUS_OK) {
        return status;
    }
    return py_dict_lookup(heap->reader, &heap->types, &dict, name, hint, value);
}

Test(py_dict, combined_tables) {
    for (unsigned kind = GENERAL; kind <= UNICODE; kind++) {
        for (struct heap heap = {0}; heap_next(&heap);) {
            struct raddr keys = make_keys(&heap, 512, kind), value = RADDR_NULL;
            struct raddr dict = make_dict(&heap, keys, RADDR_NULL);
            uint32_t hint = 0;
            for (unsigned i = 0; i < 300; i++) {
                char name[32];
                (void)snprintf(name, sizeof name, "key %u", i);
                append(&heap, keys, 512, kind, i, make_string(&heap, name, 1), raddr_make(i + 1));
            }
            append(&heap, keys, 512, kind, 7, RADDR_NULL, RADDR_NULL); /* deleted */
            append(&heap, keys, 512, kind, 299, make_string(&heap, "last", 1), raddr_make(300));
            cr_expect_eq(lookup(&heap, dict, "key 0", &hint, &value), STATUS_OK);
            cr_expect(hint == 0 && value.v == 1);
            cr_expect_eq(lookup(&heap, dict, "key 298", &hint, &value), STATUS_OK);
            cr_expect(hint == 298 && value.v == 299);
            cr_expect_eq(lookup(&heap, dict, "last", &hint, &value), STATUS_OK);
            cr_expect(hint == 299 && value.v == 300);
            cr_expect_eq(lookup(&heap, dict, "key 7", &hint, &value), STATUS_ABSENT);
            cr_expect_eq(lookup(&heap, dict, "key", &hint, &value), STATUS_ABSENT);
            cr_expect_eq(lookup(&heap, dict, "key 2990", &hint, &value), STATUS_ABSENT);
            cr_expect(hint == 299 && value.v == 300, "outputs stay untouched");
        }
    }
}

Test(py_dict, split_tables) {
    for (struct heap heap = {0}; heap_next(&heap);) {
        const struct py_layout *layout = heap.layout;
        uint32_t head = layout->managed_dict.values_data == LAYOUT_ABSENT
                            ? 0
                            : layout->managed_dict.values_data;
        struct raddr keys = make_keys(&heap, 8, SPLIT), values = heap_take(&heap, 128), value;
        struct raddr dict = make_dict(&heap, keys, values);
        uint32_t hint = 5;
        append(&heap, keys, 8, SPLIT, 0, make_string(&heap, "_name", 1), RADDR_NULL);
        append(&heap, keys, 8, SPLIT, 1, make_string(&heap, "_other", 1), RADDR_NULL);
        put_word(&heap, values, head, 4711);
        cr_expect_eq(lookup(&heap, dict, "_name", &hint, &value), STATUS_OK);
        cr_expect(hint == 0 && value.v == 4711);
        cr_expect_eq(lookup(&heap, dict, "_other", &hint, &value), STATUS_ABSENT, "not set");
    }
}

Test(py_dict, several_names_at_once) {
    for (struct heap heap = {0}; heap_next(&heap);) {
        struct raddr keys = make_keys(&heap, 16, UNICODE);
        static const char *const texts[] = {"_ident", "_name", "_native", "x", "_native_id"};
        struct py_name names[] = {{.text = "_name"}, {.text = "_native_id"}, {.text = "_missing"}};
        struct py_dict dict;
        uint32_t index[3];
        for (unsigned i = 0; i < 5; i++) {
            append(&heap, keys, 16, UNICODE, i, make_string(&heap, texts[i], 1), raddr_make(9));
        }
        cr_assert_eq(py_dict_open_keys(heap.reader, keys, RADDR_NULL, &dict), STATUS_OK);
        for (unsigned round = 0; round < 2; round++) { /* the second goes by `seen` */
            cr_assert_eq(py_dict_find(heap.reader, &heap.types, &dict, names, 3, index), STATUS_OK);
            cr_expect(index[0] == 1 && index[1] == 4 && index[2] == PY_DICT_ABSENT);
            cr_expect(!raddr_is_null(names[0].seen) && raddr_is_null(names[2].seen));
        }
    }
}

Test(py_dict, keys_that_only_look_alike) {
    for (struct heap heap = {0}; heap_next(&heap);) {
        struct raddr keys = make_keys(&heap, 8, GENERAL), value = RADDR_NULL;
        struct raddr dict = make_dict(&heap, keys, RADDR_NULL);
        uint32_t hint = 0;
        struct raddr impostor = make_string(&heap, "wanted", 1);
        put_word(&heap, impostor, heap.layout->object.ob_type, heap.other_type.v);
        append(&heap, keys, 8, GENERAL, 0, impostor, raddr_make(1));
        append(&heap, keys, 8, GENERAL, 1, make_string(&heap, "wanted", 2), raddr_make(2));
        append(&heap, keys, 8, GENERAL, 2, raddr_make(1), raddr_make(3));
        append(&heap, keys, 8, GENERAL, 3, raddr_make(UINT64_MAX), raddr_make(4));
        cr_expect_eq(lookup(&heap, dict, "wanted", &hint, &value), STATUS_ABSENT);
        append(&heap, keys, 8, GENERAL, 4, make_string(&heap, "wanted", 1), raddr_make(5));
        cr_expect_eq(lookup(&heap, dict, "wanted", &hint, &value), STATUS_OK);
        cr_expect_eq(value.v, 5);
    }
}

/* A string may be the last thing before unmapped memory, shorter than what is looked for. */
Test(py_dict, key_at_the_end_of_memory) {
    for (struct heap heap = {0}; heap_next(&heap);) {
        struct raddr keys = make_keys(&heap, 8, UNICODE), value = RADDR_NULL;
        struct raddr dict = make_dict(&heap, keys, RADDR_NULL);
        uint32_t hint = 0, size = heap.layout->unicode.ascii_data + 3;
        struct raddr wanted = make_string(&heap, "longer", 1);
        struct raddr short_one = make_string(&heap, "no", 1);
        struct raddr end = raddr_make((uintptr_t)heap.bytes + HEAP_BYTES / 2 - size);
        memmove(heap.bytes + HEAP_BYTES / 2 - size,
                heap.bytes + (short_one.v - (uintptr_t)heap.bytes), size);
        cr_assert_eq(mprotect(heap.bytes + HEAP_BYTES / 2, 4096, PROT_NONE), 0);
        append(&heap, keys, 8, UNICODE, 0, end, raddr_make(1));
        append(&heap, keys, 8, UNICODE, 1, wanted, raddr_make(2));
        cr_expect_eq(lookup(&heap, dict, "longer", &hint, &value), STATUS_OK);
        cr_expect_eq(value.v, 2);
        cr_expect_eq(lookup(&heap, dict, "no", &hint, &value), STATUS_OK);
        cr_expect_eq(value.v, 1);
    }
}

Test(py_dict, nonsense) {
    for (struct heap heap = {0}; heap_next(&heap);) {
        const struct py_layout *layout = heap.layout;
        struct raddr keys = make_keys(&heap, 8, UNICODE);
        struct raddr dict = make_dict(&heap, keys, RADDR_NULL);
        struct py_dict opened;
        append(&heap, keys, 8, UNICODE, 0, make_string(&heap, "key", 1), raddr_make(1));
        cr_assert_eq(py_dict_open(heap.reader, &heap.types, dict, &opened), STATUS_OK);
        static const uint64_t counts[] = {9, UINT32_MAX, INT64_MAX, UINT64_MAX};
        for (unsigned i = 0; i < 4; i++) {
            put_word(&heap, keys, layout->dict_keys.nentries, counts[i]);
            cr_expect_eq(py_dict_open(heap.reader, &heap.types, dict, &opened), STATUS_TORN);
        }
        put_word(&heap, keys, layout->dict_keys.nentries, 1);
        if (layout->dict_keys.size_is_log2) {
            static const uint8_t sizes[] = {32, 64, 255};
            for (unsigned i = 0; i < 3; i++) {
                put(&heap, keys, layout->dict_keys.log2_size, sizes[i], 1);
                cr_expect_eq(py_dict_open(heap.reader, &heap.types, dict, &opened), STATUS_TORN);
            }
            put(&heap, keys, layout->dict_keys.log2_size, 3, 1);
            put(&heap, keys, layout->dict_keys.log2_index_bytes, 77, 1);
            cr_expect_eq(py_dict_open(heap.reader, &heap.types, dict, &opened), STATUS_TORN);
            put(&heap, keys, layout->dict_keys.log2_index_bytes, 3, 1);
            put(&heap, keys, layout->dict_keys.kind, 3, 1);
            cr_expect_eq(py_dict_open(heap.reader, &heap.types, dict, &opened), STATUS_TORN);
            put(&heap, keys, layout->dict_keys.kind, SPLIT, 1);
            cr_expect_eq(py_dict_open(heap.reader, &heap.types, dict, &opened), STATUS_TORN,
                         "split, without values");
        } else {
            put_word(&heap, keys, layout->dict_keys.log2_size, UINT64_MAX);
            cr_expect_eq(py_dict_open(heap.reader, &heap.types, dict, &opened),
                         layout->word_size == 4 ? STATUS_OK : STATUS_TORN);
        }
        put_word(&heap, dict, layout->object.ob_type, heap.other_type.v);
        cr_expect_eq(py_dict_open(heap.reader, &heap.types, dict, &opened), STATUS_TORN,
                     "not a dict");
        cr_expect_eq(py_dict_open(heap.reader, &heap.types, RADDR_NULL, &opened), STATUS_TORN);
        cr_expect_eq(py_dict_open(heap.reader, &heap.types, raddr_make(UINT64_MAX), &opened),
                     STATUS_TORN);
        struct py_dict_entry entries[PY_DICT_CHUNK];
        cr_expect_eq(py_dict_entries(heap.reader, &opened, opened.count, 1, entries), STATUS_TORN);
        cr_expect_eq(py_dict_entries(heap.reader, &opened, UINT32_MAX, 2, entries), STATUS_TORN);
    }
}

Test(py_dict, budget) {
    for (struct heap heap = {0}; heap_next(&heap);) {
        struct raddr keys = make_keys(&heap, 512, UNICODE), value = RADDR_NULL;
        struct raddr dict = make_dict(&heap, keys, RADDR_NULL);
        uint32_t hint = 0;
        for (unsigned i = 0; i < 300; i++) { /* each key is unreadable, and costs a call */
            append(&heap, keys, 512, UNICODE, i, raddr_make(0x1000 + i * 0x1000), raddr_make(1));
        }
        py_reader_start(heap.reader, &heap.memory, heap.layout, 200);
        cr_expect_eq(lookup(&heap, dict, "wanted", &hint, &value), STATUS_NOMEM);
        cr_expect_eq(py_reader_failed(heap.reader), STATUS_NOMEM);
    }
}
