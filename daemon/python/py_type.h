/* py_type: what a type object says about its instances, and a memo of the types met during one
 * piece of work. Plain values, owned by the caller; one thread at a time. Cold.
 *
 * The memo is to be reset for each piece of work: a heap type can be freed and another take its
 * address. */
#ifndef ECHION_DAEMON_PYTHON_PY_TYPE_H
#define ECHION_DAEMON_PYTHON_PY_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/raddr.h"
#include "daemon/python/py_reader.h"

/* Bits of tp_flags (Include/object.h, the same in 3.8 to 3.15 where they exist). */
#define PY_TYPE_INLINE_VALUES (UINT64_C(1) << 2) /* from 3.13 on */
#define PY_TYPE_MANAGED_DICT (UINT64_C(1) << 4)  /* from 3.11 on */
#define PY_TYPE_HEAP (UINT64_C(1) << 9)
#define PY_TYPE_INT (UINT64_C(1) << 24) /* int or a subclass; so the next two */
#define PY_TYPE_STR (UINT64_C(1) << 28)
#define PY_TYPE_DICT (UINT64_C(1) << 29)

struct py_type {
    struct raddr address;
    uint64_t flags;
    uint64_t basicsize;       /* bytes */
    int64_t dictoffset;       /* bytes from the object; negative: from its end */
    struct raddr cached_keys; /* the keys that its instances share; NULL if none */
};

enum { PY_TYPES_MAX = 32 };

struct py_types {
    struct py_type known[PY_TYPES_MAX];
    uint32_t count; /* types ever added: the oldest is dropped for a new one */
};

static inline void py_types_reset(struct py_types *types) {
    types->count = 0;
}

/* The type at `address`, read if it is not known yet; NULL if it cannot be read. Valid until the
 * next call. Reading forgets the reader's batch. */
const struct py_type *py_types_find(struct py_types *types, struct py_reader *reader,
                                    struct raddr address);

/* Whether the type at `address` has one of `flags`. Reads as py_types_find does. */
bool py_types_have(struct py_types *types, struct py_reader *reader, struct raddr address,
                   uint64_t flags);

#endif
