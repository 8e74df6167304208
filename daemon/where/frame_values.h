/* frame_values: what one frame of a target holds: its locals and its value stack, as addresses of
 * objects. A plain value; one thread at a time. Cold: a few reads per frame, of a frame that should
 * be standing still: whoever draws conclusions looks twice.
 *
 * An executing frame does not say reliably how high its value stack is, to 3.13 not at all. What is
 * alive for certain is what lies below the level that its innermost `with` or `try` will return to:
 * to 3.10 the block stack says so, from 3.11 on the exception table. What is above may be left over
 * from before. */
#ifndef ECHION_DAEMON_WHERE_FRAME_VALUES_H
#define ECHION_DAEMON_WHERE_FRAME_VALUES_H

#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/stack.h"
#include "daemon/python/layout.h"
#include "daemon/python/sync_layout.h"
#include "daemon/target/memory.h"

enum { FRAME_VALUES_MAX = 512 };

struct frame_values {
    uint32_t count;                    /* of values: all that fit into the frame */
    uint32_t locals;                   /* so many are locals; the value stack follows */
    uint32_t sure;                     /* the value stack is alive below this index, at least */
    uint64_t values[FRAME_VALUES_MAX]; /* without tag bits; 0 where there is none */
};

/* Reads them. TORN when what is there makes no sense; GONE, DENIED, SYS as memory says. */
STATUS_CHECKED enum status frame_values_read(const struct memory *memory,
                                             const struct py_layout *layout,
                                             const struct sync_layout *sync,
                                             const struct frame *frame, struct frame_values *out);

/* The depth of the value stack at which the entry of an exception table that covers code unit
 * `unit` takes over; 0 where none does. Pure. Format: Objects/exception_handling_notes.txt. */
uint32_t frame_values_handler_depth(const uint8_t *table, uint32_t size, uint32_t unit);

#endif
