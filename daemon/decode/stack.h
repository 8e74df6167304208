/* stack: the frames of one thread, outermost first, as the last walk over a picture found them.
 *
 * HOT. Owned by the sampler's record of the thread, and reused from sample to sample: a walk
 * compares each frame with the one that stands at its place, so that what has not changed costs
 * next to nothing. Room is fixed while walking; a stack that is too deep is cut at the innermost
 * end and says so. */
#ifndef ECHION_DAEMON_DECODE_STACK_H
#define ECHION_DAEMON_DECODE_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/decode/code.h"

/* What the target's memory says of one frame. Compared as a whole: no padding may hold garbage. */
struct frame_header {
    uint64_t address;
    uint64_t executable; /* code object, tag bits removed */
    uint64_t function;   /* function object, tag bits removed; 0 to 3.10 */
    uint64_t previous;   /* the caller's frame, by the frame's own word: f_back, previous */
    uint64_t instr;      /* address of, or to 3.10 index of, its instruction */
    int64_t depth; /* 3.11-3.13: stacktop; from 3.14 on: words from localsplus to stackpointer */
    /* As wide as the others: two halves are compared as one, which waits until both were stored. */
    uint64_t owner;
    uint64_t state; /* 3.11: is_entry; to 3.10: f_executing or f_state */
};

struct frame {
    struct frame_header header;
    const struct code *code;
    uint32_t unit;        /* the code unit that it executes; 0 when it has not begun */
    uint16_t flags;       /* class of that unit (opcodes.h) */
    bool just_pushed : 1; /* it has not executed its first instruction */
    bool outside : 1;     /* it is not in the datastack: a generator's or coroutine's */
    bool entered : 1;     /* C code called it from the frame below: its entry frame said so */
};

enum { STACK_GENERATORS_MAX = 16, STACK_DOUBTS_MAX = 8 };

/* A call that one picture shows and that is not known to happen. */
struct doubt {
    uint64_t caller, callee; /* serials of the codes */
    uint32_t unit;           /* of the caller */
};

struct stack {
    struct frame *frames;
    uint32_t depth, capacity;
    bool cut; /* there are more frames than room */
    uint32_t
        same; /* so many outermost frames have the code and unit that they had in the last walk */
    uint32_t last_depth; /* depth of the last complete walk; entries above it are no memory of
                            anything */
    uint64_t
        generators[STACK_GENERATORS_MAX]; /* code objects of generators seen lately, by address */
    uint32_t generator_next;
    uint64_t entry_low,
        entry_high;             /* where entry frames were seen: the thread's C stack is there */
    struct chain_memory *chain; /* to 3.10, owned: what is remembered of the frames */
    struct doubt doubts[STACK_DOUBTS_MAX]; /* of the pictures taken so far for this sample */
    uint32_t doubt_count;
    uint64_t unknown_code; /* of this there is no telling any more what the picture shows of it */
    uint64_t moment;       /* of the code cache, when the last walk's picture had been taken */
    uint64_t believed_until_ns; /* so long its frames' codes are, if nothing is heard */
    bool by_mismatch;           /* accepted though a check failed: to be shown as torn */
};

/* Around entry frames that were seen, everything is the thread's C stack. */
enum { STACK_C_REACH = 256 << 10 };

static inline bool stack_on_c_stack(const struct stack *stack, uint64_t address) {
    return stack->entry_high != 0 && address + STACK_C_REACH >= stack->entry_low &&
           address < stack->entry_high + STACK_C_REACH;
}

enum walk_outcome {
    WALK_DONE,         /* the stack is complete */
    WALK_NEED_CODE,    /* nothing is known of the code object at `need`: learn it and walk again */
    WALK_NEED_OUTSIDE, /* a frame at `need` matters and is not in the picture: add it, take another
                        */
    WALK_NEED_CHUNKS,  /* the datastack is not the one that the picture was planned for */
    WALK_TORN,         /* the picture contradicts itself: take another */
};

struct walk_result {
    enum walk_outcome outcome;
    uint64_t need;
    uint32_t outside_used; /* of the image's outside extents, a bit each: those whose bytes on the C
                              stack mattered */
};

#endif
