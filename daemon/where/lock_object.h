/* lock_object: what the objects of a target are that have to do with locks, read from its memory:
 * locks, what a `with` keeps in order to release one, and the Thread that somebody joins. Owned by
 * one look at a process; one thread at a time. Cold. */
#ifndef ECHION_DAEMON_WHERE_LOCK_OBJECT_H
#define ECHION_DAEMON_WHERE_LOCK_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/python/layout.h"
#include "daemon/python/py_reader.h"
#include "daemon/python/py_type.h"
#include "daemon/python/sync_layout.h"
#include "daemon/target/memory.h"

enum object_kind {
    OBJECT_OTHER,
    OBJECT_LOCK,       /* _thread.lock, which threading.Lock() makes */
    OBJECT_RLOCK,      /* _thread.RLock */
    OBJECT_CONDITION,  /* threading.Condition */
    OBJECT_BUILTIN,    /* a bound method of a built-in type */
    OBJECT_METHOD,     /* a bound method of a class */
    OBJECT_DESCRIPTOR, /* an unbound method of a built-in type; the object is what follows it */
    OBJECT_FUNCTION,   /* an unbound method of a class, likewise */
};

enum { LOCK_TYPES_KNOWN = 128, LOCK_NAME_MAX = 32 };

struct lock_objects {
    const struct memory *memory;
    const struct py_layout *layout;
    const struct sync_layout *sync;
    struct py_reader *reader; /* owned */
    struct py_types types;
    struct {
        uint64_t type;
        enum object_kind kind;
    } known[LOCK_TYPES_KNOWN];
};

/* What the bytes of an object say. */
struct lock_object {
    enum object_kind kind;
    uint64_t address;
    uint64_t lock;     /* of a lock: the address of its semaphore, or its PyMutex */
    uint64_t owner;    /* of an RLock: the pthread_t of who holds it, 0 if nobody does */
    uint64_t self;     /* of a bound method: whose */
    uint64_t function; /* of a bound or unbound method: PyMethodDef, or the function */
};

STATUS_CHECKED enum status lock_objects_init(struct lock_objects *objects,
                                             const struct memory *memory,
                                             const struct py_layout *layout,
                                             const struct sync_layout *sync);
void lock_objects_deinit(struct lock_objects *objects);

/* Reads the object at `address`: OBJECT_OTHER where nothing can be read, or it is nothing of these.
 */
struct lock_object lock_object_read(struct lock_objects *objects, uint64_t address);

/* Whether a method of a built-in type (OBJECT_BUILTIN, OBJECT_DESCRIPTOR) has this name. */
bool lock_object_is_named(struct lock_objects *objects, const struct lock_object *method,
                          const char *name);

/* The lock that a Condition is made around, or a lock itself; OBJECT_OTHER for anything else. */
struct lock_object lock_object_within(struct lock_objects *objects, uint64_t address);

/* The lock of an object that keeps one as `_lock`, as a Condition of whatever class does. */
struct lock_object lock_object_kept(struct lock_objects *objects, uint64_t address);

/* The pthread_t of a threading.Thread; 0 if it cannot be told. */
uint64_t lock_object_thread_ident(struct lock_objects *objects, uint64_t address);

#endif
