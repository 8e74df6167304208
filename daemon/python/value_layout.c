/* Measured in the headers of 3.8.18, 3.9.2 and 3.9.18, 3.10.13, 3.11.2 and 3.11.7, 3.12.1, 3.13.0
 * and 3.13.18, 3.14.10 and 3.15.2, which agree within each minor: Include/cpython/code.h,
 * tupleobject.h (ob_hash since 3.14), listobject.h, setobject.h, cellobject.h, floatobject.h. */
#include "daemon/python/value_layout.h"

#include <stddef.h>

#define OBJECTS_64(items_at)                                                                       \
    .word_size = 8, .tuple = {.size = 16, .items = (items_at)}, .list = {.size = 16, .items = 24}, \
    .set = {.used = 24, .mask = 32, .table = 40}, .cell = 16, .real = 16
#define OBJECTS_32(items_at)                                                                       \
    .word_size = 4, .tuple = {.size = 8, .items = (items_at)}, .list = {.size = 8, .items = 12},   \
    .set = {.used = 12, .mask = 16, .table = 20}, .cell = 8, .real = 8
#define NAMES_APART(names_at, cells_at, free_at)                                                   \
    .code = {.names = (names_at), .cells = (cells_at), .free = (free_at)}
#define NAMES(names_at) .code = {.names = (names_at), .cells = LAYOUT_ABSENT, .free = LAYOUT_ABSENT}

static const struct value_layout rows[] = {
    {.minor = 8, OBJECTS_64(24), NAMES_APART(72, 88, 80)},
    {.minor = 8, OBJECTS_32(12), NAMES_APART(48, 56, 52)},
    {.minor = 9, OBJECTS_64(24), NAMES_APART(72, 88, 80)},
    {.minor = 9, OBJECTS_32(12), NAMES_APART(48, 56, 52)},
    {.minor = 10, OBJECTS_64(24), NAMES_APART(72, 88, 80)},
    {.minor = 10, OBJECTS_32(12), NAMES_APART(48, 56, 52)},
    {.minor = 11, OBJECTS_64(24), NAMES(96)},
    {.minor = 11, OBJECTS_32(12), NAMES(72)},
    {.minor = 12, OBJECTS_64(24), NAMES(96)},
    {.minor = 12, OBJECTS_32(12), NAMES(72)},
    {.minor = 13, OBJECTS_64(24), NAMES(96)},
    {.minor = 13, OBJECTS_32(12), NAMES(72)},
    {.minor = 14, OBJECTS_64(32), NAMES(96)},
    {.minor = 14, OBJECTS_32(16), NAMES(72)},
    {.minor = 15, OBJECTS_64(32), NAMES(96)},
    {.minor = 15, OBJECTS_32(16), NAMES(72)},
};

const struct value_layout *value_layout_find(const struct py_layout *layout) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].minor == layout->minor && rows[i].word_size == layout->word_size) {
            return &rows[i];
        }
    }
    return NULL;
}
