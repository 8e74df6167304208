/* debug_offsets_words: what each word of _Py_DebugOffsets means, one table per minor, in the order
 * of the struct. Const data for debug_offsets.c only. */
#ifndef ECHION_DAEMON_PYTHON_DEBUG_OFFSETS_WORDS_H
#define ECHION_DAEMON_PYTHON_DEBUG_OFFSETS_WORDS_H

#include <stddef.h>
#include <stdint.h>

enum word_rule {
    WORD_SIZE,  /* the size of a struct, whose members the next words are; must be the row's if the
                 * row  has it, and is taken where that has LAYOUT_ABSENT */
    WORD_TAKEN, /* an offset in it: goes into the layout */
    WORD_SAME,  /* an offset in it: must be the row's */
    WORD_SEEN,  /* an offset in it that nobody needs */
    WORD_OTHER, /* something else that nobody needs: any offset or size below the cap */
};

/* The cap of WORD_OTHER, and of the structs that hold the interpreter's state: far above any real
 * one (3.15.2: a runtime of 340 KiB) and far below what could hurt. */
enum { WORD_OTHER_MOST = 16 << 20 };

/* How wide a member is. WIDTH_END marks a size: an offset that may be the struct's end. */
enum word_width {
    WIDTH_END = 0,
    WIDTH_BYTE = 1,
    WIDTH_INT = 4,
    WIDTH_INT64 = 8,
    WIDTH_POINTER = 16
};

/* `into` of a word without a member in the layout. */
#define WORD_NOWHERE UINT16_MAX

struct word {
    const char *name;
    uint32_t most; /* WORD_SIZE: the cap */
    uint16_t into; /* offsetof in struct py_layout: WORD_TAKEN, WORD_SAME, and some sizes */
    uint8_t rule;  /* enum word_rule */
    uint8_t width; /* enum word_width */
};

struct word_table {
    const struct word *words;
    size_t count;
};

/* The words behind cookie, version and free_threaded; none for a minor without such a table. */
struct word_table debug_offsets_words(unsigned minor);

#endif
