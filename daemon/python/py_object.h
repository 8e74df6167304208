/* py_object: ints and strings, decoded from bytes that were read from the target. Plain values and
 * pure functions: no I/O, any thread. Cold. */
#ifndef ECHION_DAEMON_PYTHON_PY_OBJECT_H
#define ECHION_DAEMON_PYTHON_PY_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/python/layout.h"

/* Bytes of a PyLongObject that hold every value below 2^60 (2^32 in a 32-bit target), such as a
 * pthread_t; and below 2^30, such as a thread id. No more than CPython's allocator gives to an int
 * of that size. */
uint32_t py_int_span_wide(const struct py_layout *layout);
uint32_t py_int_span_narrow(const struct py_layout *layout);

/* The value of the PyLongObject whose first `size` bytes are `bytes`. False when it is negative, or
 * has more digits than those bytes hold. */
bool py_int_decode(const struct py_layout *layout, const uint8_t *bytes, size_t size,
                   uint64_t *value);

struct py_text {
    uint64_t length;  /* code points, as claimed: to be bounded by whoever reads them */
    uint8_t kind;     /* bytes per code point: 1 (Latin-1 or ASCII), 2 or 4 */
    bool ascii;       /* all below 128 */
    bool compact;     /* the code points follow the header; else `data_at` holds their address */
    uint32_t data_at; /* offset from the object of the code points, or of the pointer to them */
};

/* Bytes of a string object that py_text_decode looks at. */
uint32_t py_text_span(const struct py_layout *layout);

/* Describes the string whose first py_text_span bytes are `bytes`. False for what no string says of
 * itself, and for one that was never made ready (kind 0, to 3.11: only C code that uses the old
 * wchar_t interface makes such, and str() of it makes it ready, Objects/object.c). */
bool py_text_decode(const struct py_layout *layout, const uint8_t *bytes, struct py_text *text);

#endif
