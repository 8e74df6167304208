/* frame_locals: the arguments and locals of a target's frame, by name, as short texts. A function
 * only; one thread at a time. Cold. */
#ifndef ECHION_DAEMON_WHERE_FRAME_LOCALS_H
#define ECHION_DAEMON_WHERE_FRAME_LOCALS_H

#include "common/status.h"
#include "daemon/decode/stack.h"
#include "daemon/python/sync_layout.h"
#include "daemon/where/value_text.h"

enum { FRAME_LOCALS_MAX = 48, LOCAL_NAME_MAX = 64 };

struct frame_local {
    char name[LOCAL_NAME_MAX];
    char text[VALUE_TEXT_MAX];
};

struct frame_locals {
    uint32_t count; /* that are there: one that has no value yet, or none any more, is left out */
    bool more;      /* there are others */
    struct frame_local items[FRAME_LOCALS_MAX];
};

/* Reads them. TORN if the frame is not what it was any more, or its values change as often as they
 * are read; GONE, DENIED, NOMEM, SYS. */
STATUS_CHECKED enum status frame_locals_read(struct value_reader *reader,
                                             const struct sync_layout *sync,
                                             const struct frame *frame, struct frame_locals *out);

#endif
