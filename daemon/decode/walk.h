/* walk: a walk over one thread's picture, under way, and the steps that its parts share. Lives on
 * the stack of frame_walk, which alone makes one; no other thread sees it. HOT. */
#ifndef ECHION_DAEMON_DECODE_WALK_H
#define ECHION_DAEMON_DECODE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/decode/call_pairs.h"
#include "daemon/decode/code_cache.h"
#include "daemon/decode/stack.h"
#include "daemon/python/layout.h"
#include "daemon/snapshot/thread_image.h"

struct walk {
    const struct py_layout *layout;
    struct code_cache *codes;
    struct call_pairs *pairs;
    const struct thread_image *image;
    struct stack *stack;
    struct walk_result result; /* anything but WALK_DONE ends the walk */
    uint64_t now_ns;
    bool patient;
    bool same_codes;        /* those of the last walk hold still */
    bool unknown;           /* the walk ended at stack->unknown_code */
    bool prefix_same;       /* all frames so far equal those of the last walk */
    bool older;             /* the chunk that is walked is not the thread state's last one */
    uint64_t current_frame; /* what the thread state named when the picture began; 0 if unknown */
    uint32_t outside_used;  /* as in walk_result */
};

/* Ends the walk with what it needs. Always false. */
bool walk_stop(struct walk *walk, enum walk_outcome outcome, uint64_t need);

/* Notes that what lies at `address`, on the C stack, matters. */
static inline void walk_used(struct walk *walk, uint64_t address) {
    const struct thread_image *image = walk->image;
    for (uint32_t i = 0; i < image->outside_count; i++) {
        if (address - image->outside[i].address < image->outside[i].size) {
            walk->outside_used |= UINT32_C(1) << i;
            return;
        }
    }
}

/* What the bytes at `address` say of a frame; layout->iframe.localsplus of them are read. */
static inline void frame_load(const struct py_layout *layout, uint64_t address,
                              const uint8_t *bytes, struct frame_header *out) {
    const unsigned w = layout->word_size;
    const uint64_t tags = ~(uint64_t)layout->tag_mask;
    out->address = address;
    out->executable = image_word(bytes + layout->iframe.executable, w) & tags;
    out->function = image_word(bytes + layout->iframe.func, w) & tags;
    out->previous = image_word(bytes + layout->iframe.previous, w);
    out->instr = image_word(bytes + layout->iframe.instr, w);
    if (layout->frame_model == FRAME_MODEL_STACKTOP) {
        out->depth = image_int(bytes + layout->iframe.stacktop);
    } else {
        uint64_t sp = image_word(bytes + layout->iframe.stackpointer, w);
        int64_t above = (int64_t)(sp - (address + layout->iframe.localsplus));
        out->depth =
            w == 8 ? above / 8 : above / 4; /* dividing by w takes as long as all the rest */
    }
    out->owner = bytes[layout->iframe.owner];
    out->state = layout->iframe.is_entry == LAYOUT_ABSENT ? 0 : bytes[layout->iframe.is_entry];
}

/* Finds code and unit of `frame` from its header. False if it cannot be a frame of that code; the
 * walk stops if nothing is known of the code. */
bool frame_resolve(struct walk *walk, struct frame *frame);

/* Appends `frame` to the stack. False when there is no more room. */
bool walk_push(struct walk *walk, const struct frame *frame);

#endif
