/* thread_object: Python's own Thread objects: the name and the ids that each one carries. A batch
 * of them is read together. Owned by the caller; one thread at a time. Cold.
 *
 * The target runs on while it is read, so an object counts only if it is consistent: entry, type
 * and attributes have not changed from the beginning of the read to its end, the name's bytes were
 * the same twice, and the object's own ident is its key. Attributes: Lib/threading.py, `_name`,
 * `_ident` and
 * `_native_id` in 3.8 to 3.15. */
#ifndef ECHION_DAEMON_PYTHON_THREAD_OBJECT_H
#define ECHION_DAEMON_PYTHON_THREAD_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/raddr.h"
#include "daemon/python/py_dict.h"
#include "daemon/python/py_instance.h"
#include "daemon/python/py_object.h"
#include "daemon/python/py_reader.h"
#include "daemon/python/py_type.h"

enum {
    THREAD_OBJECTS_MAX = 32,
    THREAD_NAME_MAX = 1024, /* code points; longer names are cut */
    THREAD_NAME_BYTES_MAX = THREAD_NAME_MAX * 4,
};

enum thread_attribute {
    THREAD_ATTRIBUTE_NAME,
    THREAD_ATTRIBUTE_IDENT,
    THREAD_ATTRIBUTE_NATIVE_ID,
    THREAD_ATTRIBUTE_COUNT
};

struct thread_object {
    struct raddr slot; /* in threading._active: where the value stands. Filled by the caller: */
    struct py_dict_entry entry;

    bool whole;     /* consistent; only then what follows is true */
    uint64_t ident; /* pthread_t */
    int64_t
        native_id;   /* as the target's PID namespace counts, when the thread began; -1: unknown */
    uint32_t length; /* code points of the name, cut to THREAD_NAME_MAX */
    uint8_t kind;    /* bytes per code point: 1 (Latin-1), 2 or 4 */

    /* On the way there: */
    struct raddr attribute[THREAD_ATTRIBUTE_COUNT];      /* the values: addresses of objects */
    struct raddr attribute_slot[THREAD_ATTRIBUTE_COUNT]; /* and where they stand; NULL if nowhere */
    struct py_text text;
    struct raddr data; /* of the name */
    bool named;        /* the name's code points are there */
};

struct thread_objects {
    uint32_t count;
    struct thread_object items[THREAD_OBJECTS_MAX];
    struct py_instance instances[THREAD_OBJECTS_MAX];
    uint8_t names[THREAD_OBJECTS_MAX][THREAD_NAME_BYTES_MAX]; /* little-endian code points */

    /* Kept from one batch to the next within one piece of work (thread_objects_reset). */
    struct py_name attributes[THREAD_ATTRIBUTE_COUNT];
    struct py_dict shared; /* the last shared keys, and where they have the attributes */
    uint32_t shared_index[THREAD_ATTRIBUTE_COUNT];
};

/* Forgets what was kept. To be called at the beginning of each piece of work. */
void thread_objects_reset(struct thread_objects *objects);

/* Reads the `count` objects whose slots and entries the caller filled in. Those that come out not
 * `whole` may be read again. Forgets the reader's batch. */
void thread_objects_read(struct thread_objects *objects, struct py_reader *reader,
                         struct py_types *types);

/* Reads once more what the conclusions rest on: objects that have changed since are no longer
 * `whole`. A program that renames a thread in a tight loop can build its next name where the last
 * but one was, and be caught at it twice; each further look makes that rarer. Forgets the reader's
 * batch. */
void thread_objects_verify(struct thread_objects *objects, struct py_reader *reader);

#endif
