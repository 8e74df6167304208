/* Any table, at any offset: the answer is in range and comes soon. Input: format, first line,
 * offset, table. */
#include <stdlib.h>
#include <string.h>

#include "daemon/decode/line_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(enum line_format format, const uint8_t *table, size_t size, int32_t first_line,
                  uint32_t offset) {
    struct location place = {-1, -1, -1, -1};
    const bool told = line_table_locate(format, table, size, first_line, offset, &place);
    if (place.line < 0 || place.line_end < 0 || place.column < 0 || place.column_end < 0) {
        abort();
    }
    if (!told && (place.line_end != 0 || place.column != 0 || place.column_end != 0)) {
        abort();
    }
    if (told && size == 0 && format != LINE_FORMAT_LNOTAB) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int32_t first_line;
    uint32_t offset;
    const size_t head = 1 + sizeof first_line + sizeof offset;
    if (size < head) {
        return 0;
    }
    memcpy(&first_line, data + 1, sizeof first_line);
    memcpy(&offset, data + 1 + sizeof first_line, sizeof offset);
    const enum line_format format = (enum line_format)(data[0] % 3);
    /* A copy of the table's size, so that a read behind it is seen. */
    uint8_t *table = malloc(size - head > 0 ? size - head : 1);
    if (table == NULL) {
        return 0;
    }
    memcpy(table, data + head, size - head);
    check(format, table, size - head, first_line, offset);
    check(format, table, size - head, first_line, 0);
    check(format, table, size - head, first_line, UINT32_MAX);
    free(table);
    return 0;
}
