/* py_dict: the entries of a dict in the target's memory, or of the attributes that an object keeps
 * beside its type's shared keys, which have the same form. A plain value, true for the moment at
 * which it was opened: the target runs on, so whoever draws conclusions from entries checks them
 * (DESIGN.md, "the target is hostile"). One thread at a time. Cold.
 *
 * Combined tables keep the values in the keys' entries; split tables keep them in an array of their
 * own, by the same index. Layouts: Objects/dict-common.h (3.8-3.10), pycore_dict.h (3.11-3.15).
 *
 * Functions return TORN for what cannot be read or makes no sense, and GONE, DENIED, SYS or NOMEM
 * as the reader fails. All of them forget the reader's batch. */
#ifndef ECHION_DAEMON_PYTHON_PY_DICT_H
#define ECHION_DAEMON_PYTHON_PY_DICT_H

#include <stddef.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/python/py_reader.h"
#include "daemon/python/py_type.h"

enum {
    PY_DICT_ENTRIES_MAX = 1 << 20, /* a dict with more is taken for nonsense */
    PY_DICT_CHUNK = 128,           /* entries that py_dict_entries reads at most */
    PY_DICT_NAMES_MAX = 8,         /* names that py_dict_find looks for at most */
};

/* Answer of py_dict_find for a name that is not there. */
#define PY_DICT_ABSENT UINT32_MAX

struct py_dict {
    struct raddr keys;
    struct raddr values;  /* the first value of a split table; NULL for a combined one */
    struct raddr entries; /* the first entry in the keys */
    uint32_t count;       /* entries used, deleted ones included */
    uint32_t entry_size;
    uint32_t key_at; /* of an entry: its key, and behind that its value */
};

struct py_dict_entry {
    struct raddr key;
    struct raddr value; /* NULL: deleted, or not set in this split table */
};

/* A key to look for: ASCII. `seen` is where such a string was last found; interned strings are
 * found again without reading them. To be reset for each piece of work. */
struct py_name {
    const char *text;
    struct raddr seen;
};

/* What a dict object says of itself, to be checked: `type` must be a dict's. */
struct py_dict_head {
    struct raddr type;
    struct raddr keys;
    struct raddr values; /* the first value, or NULL */
};

/* Bytes of a dict object that py_dict_head_decode looks at. */
uint32_t py_dict_head_span(const struct py_layout *layout);
struct py_dict_head py_dict_head_decode(const struct py_reader *reader, const uint8_t *bytes);

/* Opens the dict object at `address`: checks that its type is a dict. */
STATUS_CHECKED enum status py_dict_open(struct py_reader *reader, struct py_types *types,
                                        struct raddr address, struct py_dict *out);

/* Opens a keys table with the values that belong to it (NULL: in the entries). */
STATUS_CHECKED enum status py_dict_open_keys(struct py_reader *reader, struct raddr keys,
                                             struct raddr values, struct py_dict *out);

/* Reads entries `first` to `first + count` - 1; `count` is at most PY_DICT_CHUNK, and those entries
 * lie below dict->count. */
STATUS_CHECKED enum status py_dict_entries(struct py_reader *reader, const struct py_dict *dict,
                                           uint32_t first, uint32_t count,
                                           struct py_dict_entry *out);

/* Where the value of entry `index` stands. */
struct raddr py_dict_value_slot(const struct py_dict *dict, const struct py_layout *layout,
                                uint32_t index);

/* Finds the entries of `count` names, set or not: `index[i]` is PY_DICT_ABSENT for those that are
 * not among the keys. Updates names[i].seen. */
STATUS_CHECKED enum status py_dict_find(struct py_reader *reader, struct py_types *types,
                                        const struct py_dict *dict, struct py_name *names,
                                        uint32_t count, uint32_t *index);

/* The value of one name. `hint` is the entry that is looked at first, and becomes the one where it
 * was found: a lookup in a large dict is cheap when repeated. ABSENT when it is not there. */
STATUS_CHECKED enum status py_dict_lookup(struct py_reader *reader, struct py_types *types,
                                          const struct py_dict *dict, const char *name,
                                          uint32_t *hint, struct raddr *value);

#endif
