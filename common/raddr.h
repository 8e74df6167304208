/* raddr: an address in the target's memory. A plain value; never a pointer, so that the compiler
 * refuses to dereference one. Arithmetic wraps within 64 bits; a 32-bit target's addresses are
 * zero-extended. */
#ifndef ECHION_COMMON_RADDR_H
#define ECHION_COMMON_RADDR_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

struct raddr {
    uint64_t v;
};

#define RADDR_NULL ((struct raddr){0})
#define PRIRADDR "0x%" PRIx64
#define RADDR_ARG(a) ((a).v)

static inline struct raddr raddr_make(uint64_t v) {
    return (struct raddr){v};
}

static inline struct raddr raddr_add(struct raddr a, uint64_t bytes) {
    return (struct raddr){a.v + bytes};
}

static inline bool raddr_is_null(struct raddr a) {
    return a.v == 0;
}

static inline bool raddr_equal(struct raddr a, struct raddr b) {
    return a.v == b.v;
}

#endif
