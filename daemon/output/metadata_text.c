#include "daemon/output/metadata_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

/* Also what only some readers take for a line break: U+0085, U+2028, U+2029. */
static bool is_control(uint32_t point) {
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029;
}

static char *clean(const char *text, uint32_t separator) {
    static const char replacement[] = "\xEF\xBF\xBD";
    char *copy = malloc(3 * strlen(text) + 1);
    if (copy == NULL) {
        return NULL;
    }
    char *end = copy;
    while (*text != '\0') {
        uint32_t point = 0;
        size_t length = utf8_decode(text, 4, &point);
        if (length == 0) {
            memcpy(end, replacement, 3);
            end += 3;
            text++;
        } else if (is_control(point) || point == separator) {
            *end++ = '_';
            text += length;
        } else {
            memcpy(end, text, length);
            end += length;
            text += length;
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
