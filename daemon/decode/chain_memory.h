/* chain_memory: what is remembered of a thread's frame objects (to 3.10) from one picture to the
 * next. Owned by the thread's stack and used by its thread only. HOT but for reserve and destroy.
 */
#ifndef ECHION_DAEMON_DECODE_CHAIN_MEMORY_H
#define ECHION_DAEMON_DECODE_CHAIN_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/stack.h"

enum chain_life {
    CHAIN_NONE, /* there is no frame */
    CHAIN_DEAD, /* freed: its code has it in reserve, or the interpreter, or the allocator */
    CHAIN_KEPT, /* not executing: just made, suspended, or ended and still referred to */
    CHAIN_RUNS, /* executing, or in a call */
};

/* What is known of the frame in one slot of the image's index. */
struct chain_slot {
    uint64_t address; /* of the frame that this is about */
    /* When it was last seen running, in a call that was sound. Codes by their serials. */
    uint64_t code;        /* its own, 0: never seen so */
    uint64_t caller;      /* its caller's frame */
    uint64_t caller_code; /* that one's */
    uint32_t caller_unit; /* and where it was, CALL_SITE_UNKNOWN: not known for certain */
    uint32_t unnoted;     /* sightings of the call since it was noted last */
    uint32_t steady;      /* sightings at caller_unit, in a steady picture, since the last note */
    uint32_t caller_slot; /* of the last caller it named, or any */
    bool proven;          /* the pair was */
    uint64_t epoch;       /* in which the code of `frame` was looked up; not again before */
    uint64_t believed_until_ns;
    bool owned; /* chain_memory_own() knows of it */
    /* In the picture at hand. */
    uint64_t viewed;  /* number of the walk that these are of */
    uint64_t visited; /* number of the walk that came by */
    uint64_t called;  /* number of the walk that found `callee` */
    uint32_t callee;  /* slot of a running frame that names this one as its caller */
    enum chain_life life;
    struct frame frame; /* code NULL where there is none */
};

/* Which frame belongs to a code object. */
struct chain_owner {
    uint64_t code, frame;
    bool several;
};

enum { CHAIN_OWNERS = 2048 };

struct chain_memory {
    struct chain_slot *slots; /* as many as the index has */
    uint32_t *path;           /* slots of the stack found, leaf first */
    uint32_t *living;         /* slots of the frames that run, root first; as many as `path` */
    uint32_t slot_capacity, path_capacity;
    uint64_t walks; /* so far */
    uint64_t epoch; /* advanced when everything is to be looked up anew: with each batch */
    uint64_t moved; /* calls, so far, that were not where they had been seen before */
    uint32_t owner_count;
    struct chain_owner owners[CHAIN_OWNERS];
};

/* Makes room for an index of `slots` and a stack of `depth` frames; creates `*memory` if NULL. */
STATUS_CHECKED enum status chain_memory_reserve(struct chain_memory **memory, uint32_t slots,
                                                uint32_t depth);
void chain_memory_destroy(struct chain_memory *memory);

/* Notes that a frame of `code` was seen at `frame`. */
void chain_memory_own(struct chain_memory *memory, uint64_t code, uint64_t frame);

/* Whether all frames of `code` so far were at `frame`: it is not recursive, and when the frame ends
 * its code object keeps it as it is (co_zombieframe, Objects/frameobject.c, 3.8 to 3.10). */
bool chain_memory_owns(const struct chain_memory *memory, uint64_t code, uint64_t frame);

#endif
