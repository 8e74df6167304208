/* display: text from a file as a terminal can take it. Pure; one thread. */
#ifndef ECHION_COMMON_DISPLAY_H
#define ECHION_COMMON_DISPLAY_H

#include <stddef.h>

/* A copy of `size` bytes without what would move the cursor, change colours or turn the direction
 * of writing: control characters and such become "?", bytes that are not UTF-8 become U+FFFD. To be
 * freed; NULL without memory. */
char *display_clean(const char *text, size_t size);

/* Columns that clean text takes: 2 for East Asian wide characters and emoji, 0 for combining ones.
 */
size_t display_width(const char *text);

/* Clean text cut to at most `columns` columns at its front, where "..." then stands; `text` itself
 * when it fits. `columns` is at least 4. Changes `text`. */
const char *display_cut_front(char *text, size_t columns);

#endif
