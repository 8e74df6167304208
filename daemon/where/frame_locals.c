#include "daemon/where/frame_locals.h"

#include <string.h>

#include "daemon/decode/text.h"
#include "daemon/where/frame_values.h"

enum { READS_MAX = 3 };

/* The address of a tuple's item; 0 if it has none of this number. */
static uint64_t tuple_item(struct value_reader *reader, uint64_t tuple, uint64_t index,
                           uint64_t *size) {
    const struct value_layout *values = reader->values;
    uint64_t item = 0;
    struct raddr at = raddr_make(tuple);
    if (memory_read_word(reader->memory, raddr_add(at, values->tuple.size), size) != STATUS_OK) {
        *size = 0;
    }
    if (index >= *size ||
        memory_read_word(reader->memory,
                         raddr_add(at, values->tuple.items + index * reader->layout->word_size),
                         &item) != STATUS_OK) {
        return 0;
    }
    return item;
}

/* The str object that names a local: to 3.10 there are three tuples of them, one behind the other.
 */
static uint64_t name_find(struct value_reader *reader, const struct code *code, uint64_t index) {
    const uint32_t tuples[] = {reader->values->code.names, reader->values->code.cells,
                               reader->values->code.free};
    for (size_t i = 0; i < sizeof tuples / sizeof *tuples && tuples[i] != LAYOUT_ABSENT; i++) {
        uint64_t tuple = 0;
        uint64_t size = 0;
        if (memory_read_word(reader->memory, raddr_add(code->address, tuples[i]), &tuple) !=
            STATUS_OK) {
            return 0;
        }
        uint64_t name = tuple_item(reader, tuple, index, &size);
        if (name != 0) {
            return name;
        }
        index -= size;
    }
    return 0;
}

static void name_write(struct value_reader *reader, const struct code *code, uint64_t index,
                       char *out) {
    STRING_OBJECT_GUARD struct string_object string = {.bytes = NULL};
    uint64_t name = name_find(reader, code, index);
    if (name == 0 || string_object_read(reader->memory, reader->layout, raddr_make(name),
                                        &string) != STATUS_OK) {
        out[0] = '?';
        out[1] = '\0';
        return;
    }
    (void)text_from_unicode(string.kind, string.bytes, string.length, TEXT_FUNCTION, out,
                            LOCAL_NAME_MAX);
}

/* Whether the frame executes the same code as when the stack was read. */
static bool frame_is_same(const struct value_reader *reader, const struct frame *frame) {
    const struct py_layout *layout = reader->layout;
    bool object = layout->frame_model == FRAME_MODEL_HEAP_CHAIN;
    uint64_t executable = 0;
    struct raddr at = raddr_add(raddr_make(frame->header.address),
                                object ? layout->frame.code : layout->iframe.executable);
    return memory_read_word(reader->memory, at, &executable) == STATUS_OK &&
           (executable & ~(uint64_t)layout->tag_mask) == frame->header.executable;
}

static void locals_take(struct value_reader *reader, const struct frame *frame,
                        const struct frame_values *values, struct frame_locals *out) {
    out->count = 0;
    out->more = false;
    for (uint32_t i = 0; i < values->locals; i++) {
        if (values->values[i] == 0) {
            continue;
        }
        if (out->count == FRAME_LOCALS_MAX) {
            out->more = true;
            return;
        }
        struct frame_local *local = &out->items[out->count++];
        name_write(reader, frame->code, i, local->name);
        value_text_write(reader, values->values[i], local->text);
    }
}

enum status frame_locals_read(struct value_reader *reader, const struct sync_layout *sync,
                              const struct frame *frame, struct frame_locals *out) {
    struct frame_values values;
    struct frame_values again;
    for (unsigned i = 0; i < READS_MAX; i++) {
        enum status status =
            frame_values_read(reader->memory, reader->layout, sync, frame, &values);
        if (status != STATUS_OK) {
            return status;
        }
        locals_take(reader, frame, &values, out);
        status = frame_values_read(reader->memory, reader->layout, sync, frame, &again);
        if (status != STATUS_OK) {
            return status;
        }
        if (!frame_is_same(reader, frame)) {
            break;
        }
        if (again.locals == values.locals &&
            memcmp(again.values, values.values, values.locals * sizeof *values.values) == 0) {
            return STATUS_OK;
        }
    }
    return STATUS_TORN;
}
