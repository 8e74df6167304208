/* cursor: a bounded reader over bytes that somebody else wrote. A plain value over memory it does
 * not own; one thread at a time. Hot: no allocation, no system call. A read beyond the end yields
 * zeros and sets `overrun`, which sticks, so that a parser can check once at its end instead of at
 * every byte. */
#ifndef ECHION_COMMON_CURSOR_H
#define ECHION_COMMON_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    const uint8_t *data;
    size_t size;
    size_t at;
    bool overrun;
};

static inline struct cursor cursor_make(const void *data, size_t size) {
    return (struct cursor){.data = data, .size = size, .at = 0, .overrun = false};
}

static inline size_t cursor_left(const struct cursor *c) {
    return c->size - c->at;
}

static inline bool cursor_at_end(const struct cursor *c) {
    return c->at >= c->size;
}

static inline uint8_t cursor_u8(struct cursor *c) {
    if (c->at >= c->size) {
        c->overrun = true;
        return 0;
    }
    return c->data[c->at++];
}

/* Copies `count` bytes to `out`; all zeros, and `overrun`, when fewer are left. */
static inline void cursor_bytes(struct cursor *c, void *out, size_t count) {
    if (count > cursor_left(c)) {
        c->overrun = true;
        c->at = c->size;
        memset(out, 0, count);
        return;
    }
    memcpy(out, c->data + c->at, count);
    c->at += count;
}

#endif
