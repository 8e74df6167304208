/* string_object: a copy of a str object's storage, as CPython keeps it: code points of 1, 2 or 4
 * bytes. Owns its bytes. Cold. */
#ifndef ECHION_DAEMON_PYTHON_STRING_OBJECT_H
#define ECHION_DAEMON_PYTHON_STRING_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/python/layout.h"
#include "daemon/target/memory.h"

/* Code points that are read at most; a longer string is cut. */
enum { STRING_OBJECT_MAX = 4096 };

struct string_object {
    uint8_t *bytes;  /* length * kind of them */
    uint32_t length; /* code points */
    uint8_t kind;    /* bytes a code point: 1, 2 or 4 */
    bool ascii;      /* kind 1, and all below 128 */
};

/* Reads the str at `address`; the caller deinits `out`. CORRUPT if it is no (canonical) str, TORN
 * if it is not readable, NOMEM. Layout of the storage: Include/cpython/unicodeobject.h, 3.8
 * to 3.15. */
STATUS_CHECKED enum status string_object_read(const struct memory *memory,
                                              const struct py_layout *layout, struct raddr address,
                                              struct string_object *out);
void string_object_deinit(struct string_object *string);

#define STRING_OBJECT_GUARD __attribute__((cleanup(string_object_deinit)))

#endif
