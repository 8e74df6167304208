/* Measured in the headers of 3.8.18, 3.9.2 and 3.9.18, 3.10.13, 3.11.2 and 3.11.7, 3.12.1, 3.13.0
 * and 3.13.18, 3.14.10 and 3.15.2, which agree within each minor. The lock objects are private to
 * Modules/_threadmodule.c: lockobject and rlockobject (3.8 to 3.15), where the owner of an RLock
 * follows the word of its lock, as an unsigned long to 3.12 and of 64 bits from 3.13 on (ThreadId,
 * PyThread_ident_t), and from 3.14 on a _PyRecursiveMutex (Include/internal/pycore_lock.h), whose
 * thread follows the mutex. tests/integration/test_where.py sees all of them. */
#include "daemon/python/sync_layout.h"

#include <stddef.h>

/* What differs by word size only: objects have two words before what is their own. */
#define WORDS_64                                                                                   \
    .word_size = 8, .gil_size = 208, .status_active = 16, .lock = {.lock = 16, .owner = 24},       \
    .builtin = {.method = 16, .self = 24}, .method = {.function = 16, .self = 24},                 \
    .descriptor = {.method = 40}
#define WORDS_32                                                                                   \
    .word_size = 4, .gil_size = 160, .status_active = 16, .lock = {.lock = 8, .owner = 12},        \
    .builtin = {.method = 8, .self = 12}, .method = {.function = 8, .self = 12},                   \
    .descriptor = {.method = 20}
#define RUNTIME_GIL(gil_at, current_at)                                                            \
    .runtime = {.gil = (gil_at), .current = (current_at)}, .interpreter = {.gil = LAYOUT_ABSENT},  \
    .thread = {.status = LAYOUT_ABSENT}
#define INTERPRETER_GIL(gil_at, status_at)                                                         \
    .runtime = {.gil = LAYOUT_ABSENT, .current = LAYOUT_ABSENT}, .interpreter = {.gil = (gil_at)}, \
    .thread = {.status = (status_at)}
#define BLOCKS(values_at, count_at, blocks_at)                                                     \
    .frame = {.valuestack = (values_at),                                                           \
              .iblock = (count_at),                                                                \
              .blockstack = (blocks_at),                                                           \
              .block_size = 12,                                                                    \
              .block_level = 8},                                                                   \
    .code = {.exceptiontable = LAYOUT_ABSENT}
#define TABLE(table_at)                                                                            \
    .frame = {.valuestack = LAYOUT_ABSENT, .iblock = LAYOUT_ABSENT, .blockstack = LAYOUT_ABSENT},  \
    .code = {.exceptiontable = (table_at)}

static const struct sync_layout rows[] = {
    {.minor = 8, WORDS_64, RUNTIME_GIL(1152, 1368), BLOCKS(64, 112, 120)},
    {.minor = 8, WORDS_32, RUNTIME_GIL(624, 788), BLOCKS(32, 60, 68)},
    {.minor = 9, WORDS_64, RUNTIME_GIL(352, 568), BLOCKS(64, 112, 120)},
    {.minor = 9, WORDS_32, RUNTIME_GIL(188, 352), BLOCKS(32, 60, 68)},
    {.minor = 10, WORDS_64, RUNTIME_GIL(352, 568), BLOCKS(64, 104, 112)},
    {.minor = 10, WORDS_32, RUNTIME_GIL(188, 352), BLOCKS(32, 60, 68)},
    {.minor = 11, WORDS_64, RUNTIME_GIL(360, 576), TABLE(40)},
    {.minor = 11, WORDS_32, RUNTIME_GIL(192, 356), TABLE(20)},
    {.minor = 12, WORDS_64, INTERPRETER_GIL(384, 24), TABLE(40)},
    {.minor = 12, WORDS_32, INTERPRETER_GIL(240, 12), TABLE(20)},
    {.minor = 13, .locks_park = true, WORDS_64, INTERPRETER_GIL(16, 32), TABLE(40)},
    {.minor = 13, .locks_park = true, WORDS_32, INTERPRETER_GIL(8, 16), TABLE(20)},
    {.minor = 14, .locks_park = true, WORDS_64, INTERPRETER_GIL(16, 32), TABLE(40)},
    {.minor = 14, .locks_park = true, WORDS_32, INTERPRETER_GIL(8, 16), TABLE(20)},
    {.minor = 15, .locks_park = true, WORDS_64, INTERPRETER_GIL(16, 32), TABLE(40)},
    {.minor = 15, .locks_park = true, WORDS_32, INTERPRETER_GIL(8, 16), TABLE(20)},
};

const struct sync_layout *sync_layout_find(const struct py_layout *layout) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].minor == layout->minor && rows[i].word_size == layout->word_size) {
            return &rows[i];
        }
    }
    return NULL;
}
