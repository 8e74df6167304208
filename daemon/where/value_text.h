/* value_text: a target's object in a few characters, as repr() would have it, for what repr()
 * cannot be fooled about: int, float, bool, None, str, bytes, tuple, list, dict and set themselves,
 * not what is derived from them; `<Type at 0x...>` for all else. Nothing runs in the target. Owned
 * by one look at a process; one thread at a time. Cold.
 *
 * The target runs on, and may lie: sizes, depths and counts are bounded, and so are all reads
 * together. A value that changes meanwhile is shown as something between before and after. */
#ifndef ECHION_DAEMON_WHERE_VALUE_TEXT_H
#define ECHION_DAEMON_WHERE_VALUE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/python/layout.h"
#include "daemon/python/py_reader.h"
#include "daemon/python/py_type.h"
#include "daemon/python/value_layout.h"
#include "daemon/target/memory.h"

enum {
    VALUE_TEXT_MAX = 200,      /* bytes, NUL included, that a value takes at most */
    VALUE_DEPTH_MAX = 3,       /* containers in containers */
    VALUE_ITEMS_MAX = 6,       /* of a container */
    VALUE_CHARACTERS_MAX = 60, /* of a str; bytes of a bytes */
    VALUE_OBJECTS_MAX = 50000, /* objects that are looked at in all */
};

struct value_reader {
    const struct memory *memory;
    const struct py_layout *layout;
    const struct value_layout *values;
    struct py_reader *reader; /* owned */
    struct py_types types;
    uint32_t objects_left;
};

/* UNSUPPORTED, NOMEM. */
STATUS_CHECKED enum status value_reader_init(struct value_reader *reader,
                                             const struct memory *memory,
                                             const struct py_layout *layout);
void value_reader_deinit(struct value_reader *reader);

/* Writes the object at `address` to `out`, of VALUE_TEXT_MAX bytes: UTF-8, not yet fit for a
 * terminal. What a cell holds stands for the cell. "?" for what cannot be read. */
void value_text_write(struct value_reader *reader, uint64_t address, char *out);

#endif
