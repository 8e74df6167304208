#include "common/display.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

struct range {
    uint32_t first, last;
};

static bool is_within(const struct range *ranges, size_t count, uint32_t point) {
    for (size_t i = 0; i < count; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* C0, DEL, C1; line and paragraph separators; what sets the direction of writing. */
static bool is_harmful(uint32_t point) {
    static const struct range harmful[] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C}, {0x200E, 0x200F},
        {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFFF9, 0xFFFB},
    };
    return is_within(harmful, sizeof harmful / sizeof harmful[0], point);
}

/* The larger blocks of combining characters and of joiners (Unicode 15, categories Mn, Me and Cf).
 */
static bool is_combining(uint32_t point) {
    static const struct range combining[] = {
        {0x0300, 0x036F}, {0x0483, 0x0489},   {0x0591, 0x05BD},   {0x0610, 0x061A},
        {0x064B, 0x065F}, {0x06D6, 0x06DC},   {0x0900, 0x0902},   {0x093C, 0x093C},
        {0x0941, 0x0948}, {0x094D, 0x094D},   {0x0E31, 0x0E31},   {0x0E34, 0x0E3A},
        {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF},   {0x1DC0, 0x1DFF},   {0x200B, 0x200D},
        {0x2060, 0x2064}, {0x20D0, 0x20F0},   {0xFE00, 0xFE0F},   {0xFE20, 0xFE2F},
        {0xFEFF, 0xFEFF}, {0xE0001, 0xE007F}, {0xE0100, 0xE01EF},
    };
    return is_within(combining, sizeof combining / sizeof combining[0], point);
}

/* East Asian wide and full-width characters, and emoji (Unicode 15, East_Asian_Width W and F). */
static bool is_wide(uint32_t point) {
    static const struct range wide[] = {
        {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
        {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},
        {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
        {0x16FE0, 0x18DFF}, {0x1AFF0, 0x1B2FF}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF},
        {0x1F900, 0x1F9FF}, {0x1FA70, 0x1FAFF}, {0x20000, 0x3FFFD},
    };
    return is_within(wide, sizeof wide / sizeof wide[0], point);
}

char *display_clean(const char *text, size_t size) {
    static const char replacement[] = "\xEF\xBF\xBD";
    const char *end = text + size;
    char *copy = malloc(3 * size + 1);
    if (copy == NULL) {
        return NULL;
    }
    char *to = copy;
    while (text < end) {
        uint32_t point = 0;
        size_t length = utf8_decode(text, (size_t)(end - text), &point);
        if (length == 0) {
            memcpy(to, replacement, 3);
            to += 3;
            text++;
        } else if (is_harmful(point)) {
            *to++ = '?';
            text += length;
        } else {
            memcpy(to, text, length);
            to += length;
            text += length;
        }
    }
    *to = '\0';
    return copy;
}

static size_t point_width(const char *at, size_t *length) {
    uint32_t point = 0;
    *length = utf8_decode(at, 4, &point);
    if (*length == 0) {
        *length = 1;
        return 1;
    }
    return is_combining(point) ? 0 : is_wide(point) ? 2 : 1;
}

size_t display_width(const char *text) {
    size_t width = 0;
    size_t length;
    for (; *text != '\0'; text += length) {
        width += point_width(text, &length);
    }
    return width;
}

const char *display_cut_front(char *text, size_t columns) {
    static const char mark[] = "...";
    size_t width = display_width(text);
    if (width <= columns) {
        return text;
    }
    char *at = text;
    size_t length;
    /* At least the mark's bytes are taken off, so that it fits where they were. Combining
     * characters go with the one that they belong to. */
    while (*at != '\0') {
        size_t next = point_width(at, &length);
        if (width <= columns - strlen(mark) && next > 0 && at - text >= (ptrdiff_t)strlen(mark)) {
            break;
        }
        width -= next;
        at += length;
    }
    at -= strlen(mark);
    memcpy(at, mark, strlen(mark));
    return at;
}
