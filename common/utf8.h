/* utf8: reads UTF-8 that somebody else wrote. Pure. */
#ifndef ECHION_COMMON_UTF8_H
#define ECHION_COMMON_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Reads one code point of at most `left` (at least one) bytes into `*point`; its length, or 0 if
 * the bytes are no UTF-8 (RFC 3629: no overlong forms, surrogates, or numbers above U+10FFFF).
 * Never reads beyond a NUL, so that for a string `left` may be any number from 4 on. */
static inline size_t utf8_decode(const char *bytes, size_t left, uint32_t *point) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)bytes;
    if (at[0] < 0x80) {
        *point = at[0];
        return 1;
    }
    size_t length = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4 || length > left) {
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

#endif
