#include "daemon/python/py_object.h"

#include <string.h>

static uint64_t load(const uint8_t *bytes, size_t size) {
    uint64_t value = 0;
    memcpy(&value, bytes, size);
    return value;
}

uint32_t py_int_span_wide(const struct py_layout *layout) {
    return layout->integer.digits + 8; /* two digits of 30 bits, four of 15 */
}

uint32_t py_int_span_narrow(const struct py_layout *layout) {
    return layout->integer.digits + 4; /* one digit of 30 bits, two of 15 */
}

bool py_int_decode(const struct py_layout *layout, const uint8_t *bytes, size_t size,
                   uint64_t *value) {
    uint64_t tag = load(bytes + layout->integer.ob_size_or_tag, layout->word_size == 4 ? 4 : 8);
    uint64_t digits = tag;
    if (layout->integer.has_tag) {
        /* _PyLongValue.lv_tag: sign in the low two bits (2: negative), the number of digits from
         * bit 3 on (Include/internal/pycore_long.h, 3.12). A negative ob_size is a huge number
         * here. */
        if ((tag & 3) == 2) {
            return false;
        }
        digits = tag >> 3;
    }
    size_t digit_size = layout->integer.digit_bits == 15 ? 2 : 4;
    if (size < layout->integer.digits || digits > (size - layout->integer.digits) / digit_size) {
        return false;
    }
    uint64_t sum = 0;
    for (size_t i = (size_t)digits; i-- > 0;) {
        uint64_t digit = load(bytes + layout->integer.digits + i * digit_size, digit_size);
        if (digit >> layout->integer.digit_bits != 0 ||
            sum >> (64 - layout->integer.digit_bits) != 0) {
            return false;
        }
        sum = sum << layout->integer.digit_bits | digit;
    }
    *value = sum;
    return true;
}

uint32_t py_text_span(const struct py_layout *layout) {
    return layout->unicode.ascii_data; /* the header that every string has */
}

bool py_text_decode(const struct py_layout *layout, const uint8_t *bytes, struct py_text *text) {
    uint64_t state = load(bytes + layout->unicode.state, 4);
    struct py_text found = {
        .length = load(bytes + layout->unicode.length, layout->word_size == 4 ? 4 : 8),
        .kind = (uint8_t)(state >> layout->unicode.kind_shift & 7),
        .compact = (state >> layout->unicode.compact_shift & 1) != 0,
        .ascii = (state >> layout->unicode.ascii_shift & 1) != 0,
    };
    if ((found.kind != 1 && found.kind != 2 && found.kind != 4) ||
        (found.ascii && found.kind != 1) || found.length > INT64_MAX) {
        return false;
    }
    if (!found.compact) {
        found.data_at = layout->unicode.data_any;
    } else {
        found.data_at = found.ascii ? layout->unicode.ascii_data : layout->unicode.compact_data;
    }
    *text = found;
    return true;
}
