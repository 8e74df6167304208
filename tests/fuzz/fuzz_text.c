/* Any string storage, for any use: valid UTF-8 on one line, in its room. Input: kind, use,
 * capacity, storage. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/decode/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

/* Takes one character off valid UTF-8. */
static uint32_t take(const uint8_t **at) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t first = *(*at)++;
    if (first < 0x80) {
        return first;
    }
    require(first >= 0xC2 && first <= 0xF4);
    const unsigned length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    uint32_t point = first & (0x7FU >> length);
    for (unsigned i = 1; i < length; i++) {
        const uint8_t next = *(*at)++;
        require((next & 0xC0) == 0x80);
        point = point << 6 | (next & 0x3F);
    }
    require(point >= smallest[length] && point <= 0x10FFFF);
    require(point < 0xD800 || point > 0xDFFF);
    return point;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char out[1 << 16];
    uint16_t capacity;
    if (size < 2 + sizeof capacity) {
        return 0;
    }
    const unsigned kind = data[0] % 6;
    const enum text_use use = (enum text_use)(data[1] % 3);
    memcpy(&capacity, data + 2, sizeof capacity);
    if (capacity == 0) {
        return 0;
    }
    const size_t bytes = size - 2 - sizeof capacity;
    uint8_t *units = malloc(bytes > 0 ? bytes : 1);
    if (units == NULL) {
        return 0;
    }
    memcpy(units, data + 2 + sizeof capacity, bytes);
    memset(out, 'x', sizeof out);
    const size_t length = kind == 0 ? 0 : bytes / kind;
    const size_t written = text_from_unicode(kind, units, length, use, out, capacity);
    require(written < capacity);
    require(out[capacity] == 'x' && strlen(out) == written);
    for (const uint8_t *at = (const uint8_t *)out; *at != 0;) {
        const uint32_t point = take(&at);
        require(point >= 0x20 && (point < 0x7F || point > 0x9F));
        require(point != ';' && point != 0x2028 && point != 0x2029);
        require(point != ':' || use != TEXT_FUNCTION);
    }
    free(units);
    return 0;
}
