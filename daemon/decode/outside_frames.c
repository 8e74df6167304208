/* HOT: no allocation, lock, log or system call. Bounded by the picture and HOPS_MAX. */
#include "daemon/decode/outside_frames.h"

#include "daemon/decode/opcodes.h"

enum {
    HOPS_MAX = 64,      /* frames outside the datastack between two frames inside it */
    ENTRY_HOPS_MAX = 4, /* entry frames in a row */
};

/* A generator's corpse has lost its code object, but still has its instruction: that of one of the
 * generators seen lately? The address of the code object, or 0. */
static uint64_t generator_code(const struct walk *walk, uint64_t instr) {
    for (uint32_t i = 0; i < STACK_GENERATORS_MAX; i++) {
        uint64_t address = walk->stack->generators[i];
        if (address == 0 || instr < address || instr - address > CODE_BYTES_MAX) {
            continue;
        }
        const struct code_entry *entry = code_cache_find(walk->codes, address);
        if (entry != NULL && entry->code != NULL &&
            instr - address < entry->code->bytecode_at + entry->code->units * 2) {
            return address;
        }
    }
    return 0;
}

static void generator_remember(struct stack *stack, uint64_t code) {
    for (uint32_t i = 0; i < STACK_GENERATORS_MAX; i++) {
        if (stack->generators[i] == code) {
            return;
        }
    }
    stack->generators[stack->generator_next++ % STACK_GENERATORS_MAX] = code;
}

/* The frame at `address` outside the datastack. 1 if it is one (then in `out`), 0 if it is an entry
 * frame or something else that is not shown (its caller then in `out->header.previous`), -1 if the
 * picture does not hold it or it is no frame. */
static int outside_load(struct walk *walk, uint64_t address, struct frame *out) {
    const struct py_layout *layout = walk->layout;
    const uint8_t *bytes = extents_find(walk->image->outside, walk->image->outside_count, address,
                                        layout->iframe.localsplus);
    if (bytes == NULL) {
        if (walk->patient && address != 0 && address % layout->word_size == 0) {
            (void)walk_stop(walk, WALK_NEED_OUTSIDE, address);
        }
        return -1;
    }
    *out = (struct frame){.outside = true};
    frame_load(layout, address, bytes, &out->header);
    if (layout->owner_cstack >= 0 && out->header.owner == (uint32_t)layout->owner_cstack) {
        walk_used(walk, address);
        return 0;
    }
    const uint8_t *state =
        extents_find(walk->image->outside, walk->image->outside_count,
                     address - layout->generator.iframe + layout->generator.frame_state, 1);
    if (state == NULL ||
        (layout->owner_generator >= 0 && out->header.owner != (uint32_t)layout->owner_generator)) {
        return -1;
    }
    out->header.state = *state;
    if (out->header.executable == 0) {
        out->header.executable = generator_code(walk, out->header.instr);
    }
    if (!frame_resolve(walk, out)) {
        return -1;
    }
    generator_remember(walk->stack, out->header.executable);
    return 1;
}

/* Whether a generator is running, by its own word: a dead one's memory goes on naming a caller. */
static bool generator_runs(const struct walk *walk, const struct frame *frame) {
    return frame->header.state == (uint8_t)walk->layout->frame_executing;
}

/* The caller that a frame outside the datastack names, entry frames stepped over. 0 if it has none.
 */
static uint64_t outside_caller(struct walk *walk, const struct frame *frame) {
    uint64_t address = frame->header.previous;
    for (unsigned hops = 0; hops < ENTRY_HOPS_MAX && address != 0; hops++) {
        struct frame entry;
        if (extents_find(walk->image->outside, walk->image->outside_count, address,
                         walk->layout->iframe.localsplus) == NULL ||
            outside_load(walk, address, &entry) != 0) {
            return address;
        }
        address = entry.header.previous;
    }
    return address;
}

/* Whether a frame in the datastack was still one of the same code when the picture ended. */
static bool frame_stands(const struct walk *walk, const struct frame *frame) {
    const struct py_layout *layout = walk->layout;
    const uint8_t *bytes =
        extents_find(&walk->image->again, 1, frame->header.address, layout->iframe.localsplus);
    struct frame_header header;
    if (bytes == NULL) {
        return true;
    }
    frame_load(layout, frame->header.address, bytes, &header);
    return header.executable == frame->header.executable;
}

/* Whether `callee`, a generator, is believed to run in the call that `caller` is at. `linked`: it
 * says so itself. But it was read a moment later than its caller, and both frames' memory is used
 * again at once: so a pair must have been seen before, and a new one is looked at again. */
static bool call_believed(struct walk *walk, const struct frame *caller, const struct frame *callee,
                          bool linked) {
    if (linked && !caller->outside && !frame_stands(walk, caller)) {
        linked = false; /* it names what was at this address then: another frame */
    }
    if (linked) {
        call_pairs_note(walk->pairs, caller->code, caller->unit, callee->code, 1);
    }
    if (call_pairs_proven(walk->pairs, caller->code, caller->unit, callee->code)) {
        return true;
    }
    if (walk->patient) {
        return walk_stop(walk, WALK_TORN, 0);
    }
    return linked;
}

/* The generator called from `caller` on the way to the frame at `from`, which is outside
 * the datastack: found by going from callee to caller. False if that way does not lead there. */
static bool outside_child(struct walk *walk, uint64_t from, const struct frame *caller,
                          struct frame *out) {
    uint64_t address = from;
    bool found = false;
    for (unsigned hops = 0; hops < HOPS_MAX && address != caller->header.address; hops++) {
        struct frame frame;
        if (extents_have(walk->image->chunks, walk->image->chunk_count, address)) {
            return false;
        }
        int kind = outside_load(walk, address, &frame);
        if (kind < 0 || (kind > 0 && !generator_runs(walk, &frame))) {
            return false;
        }
        if (kind > 0) {
            *out = frame;
            found = true;
        }
        address = frame.header.previous;
    }
    return found && address == caller->header.address && call_believed(walk, caller, out, true);
}

/* The object that a frame suspended at a `for`, `yield from` or `await` resumes, by its own value
 * stack: where a frame in it would be. 0 if the picture does not tell. */
static uint64_t resumed_address(const struct walk *walk, const struct frame *frame) {
    const struct py_layout *layout = walk->layout;
    const struct thread_image *image = walk->image;
    const unsigned w = layout->word_size;
    if ((frame->flags & OP_GENERATOR_RESUME) == 0 || layout->resume_slot == 0 ||
        (layout->frame_model == FRAME_MODEL_STACKTOP && frame->header.depth < 0)) {
        return 0;
    }
    int64_t slot = frame->header.depth - layout->resume_slot;
    if (slot < (int64_t)frame->code->nlocalsplus || slot >= (int64_t)frame->code->frame_words) {
        return 0;
    }
    uint64_t at = frame->header.address + layout->iframe.localsplus + (uint64_t)slot * w;
    const uint8_t *bytes = frame->outside
                               ? extents_find(image->outside, image->outside_count, at, w)
                               : extents_find(image->chunks, image->chunk_count, at, w);
    if (bytes == NULL) {
        return 0;
    }
    uint64_t object = image_word(bytes, w) & ~(uint64_t)layout->tag_mask;
    return object == 0 ? 0 : object + layout->generator.iframe;
}

/* The generator that `frame` resumes by its own value stack. Believed if it names `frame` as its
 * caller, or has no caller any more (it has just yielded) but was seen there before. */
static bool resumed_load(struct walk *walk, const struct frame *frame, struct frame *out) {
    uint64_t address = resumed_address(walk, frame);
    /* Where a frame does not tell whether it is suspended, what it iterates over may be no
     * generator at all: only known ones are looked at, or all where generators were seen before. */
    if (address == 0 || (walk->layout->frame_model != FRAME_MODEL_STACKTOP &&
                         !call_pairs_seen(walk->pairs, frame->code, frame->unit) &&
                         extents_find(walk->image->outside, walk->image->outside_count, address,
                                      walk->layout->iframe.localsplus) == NULL)) {
        return false;
    }
    if (outside_load(walk, address, out) != 1) {
        return false;
    }
    bool runs = generator_runs(walk, out);
    bool linked = runs && outside_caller(walk, out) == frame->header.address;
    return (linked || !runs) && call_believed(walk, frame, out, linked);
}

/* The generator, among those seen lately, that runs and names `caller` as its caller. */
static bool known_child(struct walk *walk, const struct frame *caller, struct frame *out) {
    const struct thread_image *image = walk->image;
    for (uint32_t i = 0; i < image->generator_count; i++) {
        if (extents_find(image->outside, image->outside_count, image->generators[i],
                         walk->layout->iframe.localsplus) != NULL &&
            outside_load(walk, image->generators[i], out) == 1 && generator_runs(walk, out) &&
            outside_caller(walk, out) == caller->header.address &&
            out->header.address != caller->header.address) {
            return call_believed(walk, caller, out, true);
        }
        if (walk->result.outcome != WALK_DONE) {
            return false;
        }
    }
    return false;
}

/* A check failed: another picture is worth a try, or what was found so far has to do. Always false.
 */
static bool walk_mismatch(struct walk *walk) {
    if (walk->patient) {
        return walk_stop(walk, WALK_TORN, 0);
    }
    walk->stack->by_mismatch = true;
    return false;
}

/* Pushes the generators between the last frame and `to`, the caller that the frame `above` names,
 * `to` included. False if they cannot be told. */
static bool outside_between(struct walk *walk, uint64_t to, const struct frame *above) {
    struct stack *stack = walk->stack;
    struct frame last = stack->frames[stack->depth - 1];
    for (unsigned hops = 0; hops < HOPS_MAX && last.header.address != to; hops++) {
        struct frame next;
        if (!outside_child(walk, to, &last, &next) &&
            (walk->result.outcome != WALK_DONE || !resumed_load(walk, &last, &next)) &&
            (walk->result.outcome != WALK_DONE || !known_child(walk, &last, &next))) {
            break;
        }
        if (walk->result.outcome != WALK_DONE || !walk_push(walk, &next)) {
            return false;
        }
        last = next;
    }
    if (walk->result.outcome != WALK_DONE) {
        return false;
    }
    if (last.header.address != to) {
        /* It has yielded or ended meanwhile. But the frame above it was alive in it. */
        struct frame caller;
        if (outside_load(walk, to, &caller) != 1) {
            return walk->result.outcome == WALK_DONE && walk_mismatch(walk);
        }
        if (!call_believed(walk, &last, &caller, false)) {
            return walk->result.outcome == WALK_DONE && walk_mismatch(walk);
        }
        if (!walk_push(walk, &caller)) {
            return false;
        }
        last = caller;
    }
    last.unit = CALL_ANYWHERE; /* it may have gone on meanwhile */
    return call_believed(walk, &last, above, generator_runs(walk, &last)) ||
           (walk->result.outcome == WALK_DONE && walk_mismatch(walk));
}

static void c_stack_note(struct stack *stack, uint64_t address) {
    if (stack->entry_high == 0 || address < stack->entry_low) {
        stack->entry_low = address;
    }
    if (address > stack->entry_high) {
        stack->entry_high = address;
    }
}

bool outside_link(struct walk *walk, struct frame *frame) {
    const struct stack *stack = walk->stack;
    const struct frame *last = &stack->frames[stack->depth - 1];
    uint64_t address = frame->header.previous;
    if (address == 0 || extents_have(walk->image->chunks, walk->image->chunk_count, address)) {
        return false; /* of another call: it names another caller */
    }
    for (unsigned hops = 0; hops < ENTRY_HOPS_MAX; hops++) {
        struct frame entry;
        int kind = outside_load(walk, address, &entry);
        if (walk->result.outcome != WALK_DONE) {
            return false;
        }
        if (kind > 0 || (kind < 0 && hops == 0 && !stack_on_c_stack(stack, address))) {
            return outside_between(walk, address, frame);
        }
        if (kind < 0) {
            return true; /* an entry frame that has been overwritten, or what it names has */
        }
        address = entry.header.previous;
        if (address == last->header.address) {
            c_stack_note(walk->stack, entry.header.address);
            frame->entered = true;
            return true;
        }
    }
    return true;
}

void outside_descend(struct walk *walk) {
    struct stack *stack = walk->stack;
    bool inside = walk->current_frame == 0 ||
                  extents_have(walk->image->chunks, walk->image->chunk_count, walk->current_frame);
    for (unsigned hops = 0; hops < HOPS_MAX && walk->result.outcome == WALK_DONE; hops++) {
        struct frame last = stack->frames[stack->depth - 1];
        struct frame next;
        if (!resumed_load(walk, &last, &next) &&
            (walk->result.outcome != WALK_DONE || !known_child(walk, &last, &next)) &&
            (walk->result.outcome != WALK_DONE || inside ||
             last.header.address == walk->current_frame ||
             !outside_child(walk, walk->current_frame, &last, &next))) {
            return;
        }
        if (walk->result.outcome != WALK_DONE || !walk_push(walk, &next)) {
            return;
        }
    }
}
