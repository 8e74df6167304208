/* chain_view: what a picture says of one frame object at a time, CPython 3.8 to 3.10. HOT, pure; on
 * the stack of frame_chain_walk, which alone makes a chain. */
#ifndef ECHION_DAEMON_DECODE_CHAIN_VIEW_H
#define ECHION_DAEMON_DECODE_CHAIN_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/decode/chain_memory.h"
#include "daemon/decode/walk.h"

struct chain {
    struct walk walk;
    struct chain_memory *memory;
    const struct frame_index *index;
    bool steady; /* the leaf was the same when all frames had been copied: so were its callers */
    bool moved;  /* it was another one */
};

/* What the picture says of the frame at `address`, likely to be in that slot. NULL if it does not
 * tell; the walk then stops if it is worth to look. */
struct chain_slot *chain_view(struct chain *chain, uint64_t address, uint32_t likely_slot);

/* Whether the frame in this slot of the index seems to run, at a glance: what else lies there is
 * not worth a look at its code. */
bool chain_seems_to_run(const struct chain *chain, uint32_t slot);

#endif
