#include "daemon/where/frame_values.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/guard.h"
#include "daemon/snapshot/thread_image.h"

enum {
    TABLE_BYTES_MAX = 64 << 10,
    MORE_MARK = 0x40, /* of a byte that is not its number's last */
    DIGIT_BITS = 6,
    BLOCKS_MAX = 20, /* CO_MAXBLOCKS */
};

static bool number_take(const uint8_t *table, uint32_t size, uint32_t *at, uint32_t *out) {
    uint32_t value = 0;
    for (unsigned digits = 0; *at < size && digits < 5; digits++) {
        uint8_t byte = table[(*at)++];
        value = value << DIGIT_BITS | (byte & (MORE_MARK - 1U));
        if ((byte & MORE_MARK) == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

uint32_t frame_values_handler_depth(const uint8_t *table, uint32_t size, uint32_t unit) {
    uint32_t at = 0;
    while (at < size) {
        uint32_t start = 0, length = 0, target = 0, depth = 0;
        if (!number_take(table, size, &at, &start) || !number_take(table, size, &at, &length) ||
            !number_take(table, size, &at, &target) || !number_take(table, size, &at, &depth)) {
            return 0;
        }
        if (unit >= start && unit - start < length) {
            return depth >> 1; /* the lowest bit says that the handler wants the instruction */
        }
    }
    return 0;
}

/* 3.11 on: the handler's depth, by the code object's table. */
static enum status handler_depth(const struct memory *memory, const struct py_layout *layout,
                                 const struct sync_layout *sync, const struct frame *frame,
                                 uint32_t *depth) {
    uint64_t table = 0;
    uint64_t size = 0;
    struct raddr at = raddr_add(frame->code->address, sync->code.exceptiontable);
    enum status status = memory_read_word(memory, at, &table);
    if (status == STATUS_OK) {
        status = memory_read_word(memory, raddr_add(raddr_make(table), layout->bytes.size), &size);
    }
    if (status != STATUS_OK || size == 0) {
        return status;
    }
    if (size > TABLE_BYTES_MAX) {
        return STATUS_TORN;
    }
    GUARD_FREE uint8_t *bytes = malloc(size);
    if (bytes == NULL) {
        return STATUS_NOMEM;
    }
    status = memory_read(memory, raddr_add(raddr_make(table), layout->bytes.data), bytes, size);
    if (status == STATUS_OK) {
        *depth = frame_values_handler_depth(bytes, (uint32_t)size, frame->unit);
    }
    return status;
}

/* To 3.10: where the value stack begins, how large it can be, and the level of the innermost block.
 */
static enum status frame_object_shape(const struct memory *memory, const struct py_layout *layout,
                                      const struct sync_layout *sync, const struct frame *frame,
                                      struct frame_values *out) {
    const unsigned w = layout->word_size;
    struct raddr at = raddr_make(frame->header.address);
    uint64_t values = 0;
    int32_t blocks = 0;
    int32_t stack = 0;
    int32_t level = 0;
    enum status status = memory_read_word(memory, raddr_add(at, sync->frame.valuestack), &values);
    if (status == STATUS_OK) {
        status = memory_read(memory, raddr_add(at, sync->frame.iblock), &blocks, sizeof blocks);
    }
    if (status == STATUS_OK) {
        status = memory_read(memory, raddr_add(frame->code->address, layout->code.stacksize),
                             &stack, sizeof stack);
    }
    if (status == STATUS_OK && blocks > 0 && blocks <= BLOCKS_MAX) {
        uint64_t last = sync->frame.blockstack + (uint64_t)(blocks - 1) * sync->frame.block_size +
                        sync->frame.block_level;
        status = memory_read(memory, raddr_add(at, last), &level, sizeof level);
    }
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t locals = (values - (at.v + layout->frame.localsplus)) / w;
    if (locals > FRAME_VALUES_MAX || stack < 0 || stack > FRAME_VALUES_MAX || level < 0 ||
        level > stack) {
        return STATUS_TORN;
    }
    out->locals = (uint32_t)locals;
    out->count = out->locals + (uint32_t)stack;
    out->sure = out->locals + (uint32_t)level;
    return STATUS_OK;
}

/* From 3.11 on. */
static enum status iframe_shape(const struct memory *memory, const struct py_layout *layout,
                                const struct sync_layout *sync, const struct frame *frame,
                                struct frame_values *out) {
    const uint32_t specials = layout->iframe.localsplus / layout->word_size;
    const struct code *code = frame->code;
    uint32_t depth = 0;
    if (code->frame_words < specials + code->nlocalsplus) {
        return STATUS_TORN;
    }
    enum status status = handler_depth(memory, layout, sync, frame, &depth);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t room = code->frame_words - specials;
    out->locals = code->nlocalsplus;
    out->count = room;
    out->sure = depth <= out->count - out->locals ? out->locals + depth : out->locals;
    return STATUS_OK;
}

enum status frame_values_read(const struct memory *memory, const struct py_layout *layout,
                              const struct sync_layout *sync, const struct frame *frame,
                              struct frame_values *out) {
    const unsigned w = layout->word_size;
    const uint64_t tags = ~(uint64_t)layout->tag_mask;
    uint8_t bytes[FRAME_VALUES_MAX * sizeof(uint64_t)];
    bool object = layout->frame_model == FRAME_MODEL_HEAP_CHAIN;
    if (frame->code == NULL) {
        return STATUS_TORN;
    }
    enum status status = object ? frame_object_shape(memory, layout, sync, frame, out)
                                : iframe_shape(memory, layout, sync, frame, out);
    if (status != STATUS_OK) {
        return status;
    }
    if (out->count > FRAME_VALUES_MAX) {
        return STATUS_TORN;
    }
    uint32_t at = object ? layout->frame.localsplus : layout->iframe.localsplus;
    status = memory_read(memory, raddr_add(raddr_make(frame->header.address), at), bytes,
                         (size_t)out->count * w);
    for (uint32_t i = 0; i < out->count && status == STATUS_OK; i++) {
        out->values[i] = image_word(bytes + (size_t)i * w, w) & tags;
    }
    return status;
}
