/* text: names of the target as UTF-8 that no output format and no terminal trips over. Pure.
 *
 * The collapsed format has no escaping, so what separates fields or lines there is replaced: ";",
 * control characters (line breaks, DEL and U+0080 to U+009F among them) and the line and paragraph
 * separators U+2028 and U+2029 become "_", and so does ":" in a function. What is no character
 * (lone surrogates, numbers above U+10FFFF) becomes U+FFFD. */
#ifndef ECHION_DAEMON_DECODE_TEXT_H
#define ECHION_DAEMON_DECODE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/python/string_object.h"

/* Room that a name takes at most, NUL included. Longer ones are cut between two characters. */
enum { TEXT_MAX = 4096 };

enum text_use {
    TEXT_FILE,
    TEXT_FUNCTION,
    TEXT_THREAD, /* what a reader would take for a hexadecimal number is put in double quotes */
};

/* Writes `length` code points of `kind` bytes each (1, 2 or 4, native order: the storage of a str;
 * kind 1 is ASCII or Latin-1) as a NUL-terminated string of at most `capacity` bytes, NUL included;
 * returns its length without the NUL. Another kind gives "". `capacity` is at least 1. */
size_t text_from_unicode(unsigned kind, const uint8_t *units, size_t length, enum text_use use,
                         char *out, size_t capacity);

/* The same for a str that was read from the target; `out` has TEXT_MAX bytes. */
size_t text_from_string(const struct string_object *string, enum text_use use, char *out);

#endif
