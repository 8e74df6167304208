/* py_instance: where an object keeps its attributes, found for many objects at once. Plain values,
 * owned by the caller; one thread at a time. Cold.
 *
 * To 3.10 attributes are in a dict at tp_dictoffset. From 3.11 on an object of a class that manages
 * its dict keeps them in an array that goes by its type's shared keys, outside (3.11, 3.12) or
 * behind the object (3.13 on), until something asks for its __dict__ (struct py_layout,
 * managed_dict). Either way they end up as a struct py_dict. */
#ifndef ECHION_DAEMON_PYTHON_PY_INSTANCE_H
#define ECHION_DAEMON_PYTHON_PY_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/raddr.h"
#include "daemon/python/py_dict.h"
#include "daemon/python/py_reader.h"
#include "daemon/python/py_type.h"

enum { PY_INSTANCES_MAX = 64 }; /* objects that are located in one go at most */

struct py_instance {
    struct raddr object; /* filled by the caller, and the next: its type, as read from it */
    struct raddr type;
    bool located; /* only then: */
    struct py_dict attributes;
};

/* Locates the attributes of `count` objects, at most PY_INSTANCES_MAX. Those without attributes, or
 * that cannot be made sense of, stay `located` == false. Forgets the reader's batch. */
void py_instances_locate(struct py_reader *reader, struct py_types *types,
                         struct py_instance *instances, uint32_t count);

#endif
