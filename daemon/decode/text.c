#include "daemon/decode/text.h"

#include <stdbool.h>
#include <string.h>

enum { REPLACEMENT = 0xFFFD, POINT_MAX = 0x10FFFF };

static uint32_t point_at(unsigned kind, const uint8_t *units, size_t index) {
    uint16_t two;
    uint32_t four;
    switch (kind) {
    case 1:
        return units[index];
    case 2:
        memcpy(&two, units + 2 * index, sizeof two);
        return two;
    default:
        memcpy(&four, units + 4 * index, sizeof four);
        return four;
    }
}

static uint32_t point_clean(uint32_t point, enum text_use use) {
    if (point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x2028 || point == 0x2029 ||
        point == ';' || (point == ':' && use == TEXT_FUNCTION)) {
        return '_';
    }
    if ((point >= 0xD800 && point <= 0xDFFF) || point > POINT_MAX) {
        return REPLACEMENT;
    }
    return point;
}

/* Writes one character as UTF-8; its length. `out` has 4 bytes. */
static size_t point_encode(uint32_t point, char *out) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t first[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1;) {
        out[i] = (char)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    out[0] = (char)(first[length] | point);
    return length;
}

/* The zeros of all scripts but ours; nine more digits follow each (Unicode 17, category Nd). */
static const uint32_t zeros[] = {
    0x0660,  0x06F0,  0x07C0,  0x0966,  0x09E6,  0x0A66,  0x0AE6,  0x0B66,  0x0BE6,  0x0C66,
    0x0CE6,  0x0D66,  0x0DE6,  0x0E50,  0x0ED0,  0x0F20,  0x1040,  0x1090,  0x17E0,  0x1810,
    0x1946,  0x19D0,  0x1A80,  0x1A90,  0x1B50,  0x1BB0,  0x1C40,  0x1C50,  0xA620,  0xA8D0,
    0xA900,  0xA9D0,  0xA9F0,  0xAA50,  0xABF0,  0xFF10,  0x104A0, 0x10D30, 0x10D40, 0x11066,
    0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x116D0, 0x116DA,
    0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50, 0x11DA0, 0x11DE0, 0x11F50, 0x16130,
    0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
    0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
};

static bool is_digit(uint32_t point) {
    if ((point >= '0' && point <= '9') || (point >= 'a' && point <= 'f') ||
        (point >= 'A' && point <= 'F')) {
        return true;
    }
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) {
        if (point >= zeros[i] && point <= zeros[i] + 9) {
            return true;
        }
    }
    return false;
}

/* What may stand around and between the digits: prefix, signs, underscores, white space. */
static bool is_filler(uint32_t point) {
    return point == 'x' || point == 'X' || point == '_' || point == '+' || point == '-' ||
           point == ' ' || point == 0xA0 || point == 0x1680 ||
           (point >= 0x2000 && point <= 0x200A) || point == 0x202F || point == 0x205F ||
           point == 0x3000;
}

/* Whether Python's int(name, 16), by which a reader tells thread numbers from names, may accept
 * this. Goes by the characters and not by their order, so it quotes a little more than it must. */
static bool reads_as_number(unsigned kind, const uint8_t *units, size_t length) {
    bool digit = false;
    bool blank = length > 0; /* a tid behind it would make it a number */
    for (size_t i = 0; i < length; i++) {
        const uint32_t point = point_clean(point_at(kind, units, i), TEXT_THREAD);
        blank = blank && point == ' ';
        if (is_digit(point)) {
            digit = true;
        } else if (!is_filler(point)) {
            return false;
        }
    }
    return digit || blank;
}

size_t text_from_unicode(unsigned kind, const uint8_t *units, size_t length, enum text_use use,
                         char *out, size_t capacity) {
    size_t size = 0;
    if (kind != 1 && kind != 2 && kind != 4) {
        length = 0;
    }
    const bool quoted = use == TEXT_THREAD && capacity > 2 && reads_as_number(kind, units, length);
    const size_t room = capacity - 1 - (quoted ? 1 : 0);
    if (quoted) {
        out[size++] = '"';
    }
    for (size_t i = 0; i < length; i++) {
        char bytes[4];
        const uint32_t point = point_clean(point_at(kind, units, i), use);
        const size_t more = point_encode(point, bytes);
        if (size + more > room) {
            break;
        }
        memcpy(out + size, bytes, more);
        size += more;
    }
    if (quoted) {
        out[size++] = '"';
    }
    out[size] = '\0';
    return size;
}

size_t text_from_string(const struct string_object *string, enum text_use use, char *out) {
    return text_from_unicode(string->kind, string->bytes, string->length, use, out, TEXT_MAX);
}
