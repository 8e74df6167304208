#include "daemon/output/metadata_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Reads one code point and its length; length 0 if the bytes are no UTF-8. NUL ends the text, so a
 * sequence that is cut short by it is found out by its next byte. */
static size_t decode(const unsigned char *at, uint32_t *point) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (at[0] < 0x80) {
        *point = at[0];
        return 1;
    }
    size_t length = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4) {
        return 0;
    }
    uint32_t value = at[0] & (0xFFU >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0U) != 0x80U) {
            return 0;
        }
        value = value << 6 | (at[i] & 0x3FU);
    }
    if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
        return 0;
    }
    *point = value;
    return length;
}

/* Also what only some readers take for a line break: U+0085, U+2028, U+2029. */
static bool is_control(uint32_t point) {
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029;
}

static char *clean(const char *text, uint32_t separator) {
    static const char replacement[] = "\xEF\xBF\xBD";
    const unsigned char *at = (const unsigned char *)text;
    char *copy = malloc(3 * strlen(text) + 1);
    if (copy == NULL) {
        return NULL;
    }
    char *end = copy;
    while (*at != 0) {
        uint32_t point = 0;
        size_t length = decode(at, &point);
        if (length == 0) {
            memcpy(end, replacement, 3);
            end += 3;
            at++;
        } else if (is_control(point) || point == separator) {
            *end++ = '_';
            at += length;
        } else {
            memcpy(end, at, length);
            end += length;
            at += length;
        }
    }
    *end = '\0';
    return copy;
}

char *metadata_text_key(const char *text) {
    return clean(text, ':');
}

char *metadata_text_value(const char *text) {
    return clean(text, '\n');
}
