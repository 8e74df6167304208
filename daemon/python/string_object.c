#include "daemon/python/string_object.h"

#include <stdlib.h>
#include <string.h>

#include "common/guard.h"

enum { HEADER_MAX = 128, KIND_MASK = 7 };

/* Where the code points are: behind the header when compact, elsewhere when not. */
static enum status data_find(const struct py_layout *layout, uint64_t address,
                             const uint8_t *header, uint32_t state, uint64_t *data) {
    bool compact = (state >> layout->unicode.compact_shift & 1) != 0;
    bool ascii = (state >> layout->unicode.ascii_shift & 1) != 0;
    if (compact) {
        *data = address + (ascii ? layout->unicode.ascii_data : layout->unicode.compact_data);
        return STATUS_OK;
    }
    *data = 0;
    memcpy(data, header + layout->unicode.data_any, layout->word_size);
    return *data == 0 ? STATUS_CORRUPT : STATUS_OK;
}

enum status string_object_read(const struct memory *memory, const struct py_layout *layout,
                               struct raddr address, struct string_object *out) {
    uint8_t header[HEADER_MAX];
    uint32_t state;
    uint64_t length = 0;
    uint64_t data;
    enum status status =
        memory_read(memory, address, header, layout->unicode.data_any + layout->word_size);
    if (status != STATUS_OK) {
        return status;
    }
    memcpy(&state, header + layout->unicode.state, sizeof state);
    memcpy(&length, header + layout->unicode.length, layout->word_size);
    unsigned kind = state >> layout->unicode.kind_shift & KIND_MASK;
    if ((kind != 1 && kind != 2 && kind != 4) || length > UINT32_MAX) {
        return STATUS_CORRUPT;
    }
    status = data_find(layout, address.v, header, state, &data);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t count = length < STRING_OBJECT_MAX ? (uint32_t)length : STRING_OBJECT_MAX;
    GUARD_FREE uint8_t *bytes = malloc((size_t)count * kind + 1);
    if (bytes == NULL) {
        return STATUS_NOMEM;
    }
    if (count > 0) {
        status = memory_read(memory, raddr_make(data), bytes, (size_t)count * kind);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *out = (struct string_object){
        .bytes = bytes,
        .length = count,
        .kind = (uint8_t)kind,
        .ascii = (state >> layout->unicode.ascii_shift & 1) != 0,
    };
    bytes = NULL;
    return STATUS_OK;
}

void string_object_deinit(struct string_object *string) {
    free(string->bytes);
    string->bytes = NULL;
}
