#include "daemon/python/runtime_scan.h"

#include <stdlib.h>
#include <string.h>

#include "common/guard.h"
#include "daemon/python/layout.h"
#include "daemon/python/version.h"

enum {
    PIECE = 1 << 18,       /* bytes read at once */
    HEAD_MAX = 128,        /* bytes of a runtime that are looked at, at most */
    SCAN_MAX = 1 << 26,    /* bytes */
    NEXT_ID_MAX = 1 << 20, /* interpreters ever made */
};

/* The first members of _PyRuntimeState in 3.8 and 3.9 (Include/internal/pycore_runtime.h). */
enum runtime_flag { PREINITIALIZING, PREINITIALIZED, CORE_INITIALIZED, INITIALIZED, FLAG_COUNT };

static uint64_t word_at(const uint8_t *bytes, size_t word_size) {
    uint64_t word = 0;
    memcpy(&word, bytes, word_size);
    return word;
}

/* Bytes that looks_like_runtime looks at. */
static size_t head_size(const struct py_layout *layout) {
    return layout->runtime.interpreters_head + 2 * (size_t)layout->word_size + sizeof(int64_t);
}

/* The flags of a runtime whose core is initialised, then `interpreters`: a mutex, the head of the
 * list, the main one, and the next id (struct pyinterpreters). */
static bool looks_like_runtime(const uint8_t *bytes, const struct py_layout *layout) {
    int32_t flags[FLAG_COUNT];
    memcpy(flags, bytes, sizeof flags);
    if (flags[PREINITIALIZING] != 0 || flags[PREINITIALIZED] != 1 || flags[CORE_INITIALIZED] != 1 ||
        (flags[INITIALIZED] != 0 && flags[INITIALIZED] != 1)) {
        return false;
    }
    const size_t word = layout->word_size;
    const uint8_t *head = bytes + layout->runtime.interpreters_head;
    int64_t next_id = 0;
    memcpy(&next_id, head + 2 * word, sizeof next_id);
    return word_at(head - word, word) != 0 && word_at(head, word) != 0 &&
           word_at(head + word, word) != 0 && next_id > 0 && next_id <= NEXT_ID_MAX;
}

/* Whether the interpreter at the head of the list has a thread that names it as its own. */
static bool has_interpreter(const struct memory *memory, const struct py_layout *layout,
                            struct raddr runtime) {
    uint64_t interpreter = 0;
    uint64_t thread = 0;
    uint64_t owner = 0;
    return memory_read_word(memory, raddr_add(runtime, layout->runtime.interpreters_head),
                            &interpreter) == STATUS_OK &&
           memory_read_word(memory, raddr_make(interpreter + layout->interpreter.threads_head),
                            &thread) == STATUS_OK &&
           memory_read_word(memory, raddr_make(thread + layout->thread.interp), &owner) ==
               STATUS_OK &&
           owner == interpreter;
}

static enum status range_scan(const struct memory *memory, const struct py_layout *layout,
                              struct raddr from, struct raddr to, struct raddr *out) {
    GUARD_FREE uint8_t *piece = malloc(PIECE);
    if (piece == NULL) {
        return STATUS_NOMEM;
    }
    const size_t head = head_size(layout);
    if (head > HEAD_MAX || to.v - from.v > SCAN_MAX) {
        to.v = head > HEAD_MAX ? from.v : from.v + SCAN_MAX;
    }
    for (uint64_t begin = from.v; begin < to.v; begin += PIECE - HEAD_MAX) {
        uint64_t left = to.v - begin;
        struct iovec remote = {.iov_base = (void *)(uintptr_t)begin,
                               .iov_len = left < PIECE ? (size_t)left : PIECE};
        size_t got = 0;
        enum status status = memory_read_batch(memory, piece, &remote, 1, &got);
        if (status != STATUS_OK) {
            return status == STATUS_TORN ? STATUS_ABSENT : status;
        }
        for (size_t at = 0; at + head <= got; at += layout->word_size) {
            struct raddr address = raddr_make(begin + at);
            if (looks_like_runtime(piece + at, layout) &&
                has_interpreter(memory, layout, address)) {
                *out = address;
                return STATUS_OK;
            }
        }
        if (got < PIECE) {
            break;
        }
    }
    return STATUS_ABSENT;
}

enum status runtime_scan(const struct elf_image *image, const struct mapped_object *object,
                         struct raddr *out) {
    uint32_t version = 0;
    bool micro_known = false;
    enum status status = version_find(image, object, &version, &micro_known);
    if (status != STATUS_OK) {
        return status;
    }
    const struct py_layout *layout =
        layout_find(version_major(version), version_minor(version), image->memory.word_size);
    if (layout == NULL || version_minor(version) > 9) {
        return STATUS_ABSENT;
    }
    const struct mapping *data = object->first;
    while (data <= object->last && !(mapped_object_owns(object, data) && data->writable)) {
        ++data;
    }
    if (data > object->last || data->start.v >= image->end.v) {
        return STATUS_ABSENT;
    }
    return range_scan(&image->memory, layout, data->start, image->end, out);
}
