/* HOT: no allocation, lock, log or system call. Bounded by the picture and the stack's capacity. */
#include "daemon/decode/frame_walk.h"

#include "daemon/decode/code_units.h"
#include "daemon/decode/opcodes.h"

enum {
    HOPS_MAX = 64,             /* frames outside the datastack between two frames inside it */
    ENTRY_HOPS_MAX = 4,        /* entry frames in a row */
    C_STACK_REACH = 256 << 10, /* around entry frames seen, everything is the thread's C stack */
};

/* A walk under way. */
struct walk {
    const struct py_layout *layout;
    struct code_cache *codes;
    struct call_pairs *pairs;
    const struct thread_image *image;
    struct stack *stack;
    struct walk_result result; /* anything but WALK_DONE ends the walk */
    uint64_t now_ns;
    bool patient;
    bool prefix_same;       /* all frames so far equal those of the last walk */
    bool older;             /* the chunk that is walked is not the thread state's last one */
    uint64_t current_frame; /* what the thread state named when the picture began; 0 if unknown */
};

enum liveness {
    LIVENESS_DEAD,
    LIVENESS_SUSPENDED, /* alive if a frame that it called is, or if it is about to go on */
    LIVENESS_ALIVE,
};

static bool walk_stop(struct walk *walk, enum walk_outcome outcome, uint64_t need) {
    walk->result = (struct walk_result){.outcome = outcome, .need = need};
    return false;
}

static void frame_load(const struct py_layout *layout, uint64_t address, const uint8_t *bytes,
                       struct frame_header *out) {
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
        out->depth = (int64_t)(sp - (address + layout->iframe.localsplus)) / (int64_t)w;
    }
    out->owner = bytes[layout->iframe.owner];
    out->state = layout->iframe.is_entry == LAYOUT_ABSENT ? 0 : bytes[layout->iframe.is_entry];
}

static bool header_equal(const struct frame_header *a, const struct frame_header *b) {
    return a->address == b->address && a->executable == b->executable &&
           a->function == b->function && a->previous == b->previous && a->instr == b->instr &&
           a->depth == b->depth && a->owner == b->owner && a->state == b->state;
}

/* Finds code and unit of `frame` from its header. False if it cannot be a frame of that code; the
 * walk stops if nothing is known of the code. */
static bool frame_resolve(struct walk *walk, struct frame *frame) {
    const struct py_layout *layout = walk->layout;
    const struct frame_header *h = &frame->header;
    /* The code units are part of the code object: an instruction before it or far behind is none.
     */
    if (h->executable == 0 || h->executable % layout->word_size != 0 || h->instr < h->executable ||
        h->instr - h->executable > CODE_BYTES_MAX) {
        return false;
    }
    struct code_entry *entry = code_cache_find(walk->codes, h->executable);
    if (entry == NULL || entry->believed_until_ns < walk->now_ns) {
        return walk_stop(walk, WALK_NEED_CODE, h->executable);
    }
    const struct code *code = entry->code;
    if (code == NULL) {
        return false;
    }
    int64_t offset = (int64_t)(h->instr - (h->executable + code->bytecode_at));
    frame->code = code;
    frame->just_pushed = layout->instr_is_prev ? offset == -2 : offset == 0;
    if (offset == -2 && layout->instr_is_prev) {
        frame->unit = 0;
    } else if (offset < 0 || offset % 2 != 0 || offset / 2 >= (int64_t)code->units) {
        return false;
    } else {
        frame->unit = (uint32_t)(offset / 2);
    }
    frame->flags = code->unit_flags[frame->unit];
    return true;
}

/* Whether a resolved frame in the datastack is alive, as far as its own words tell. */
static enum liveness frame_liveness(const struct py_layout *layout, const struct frame *frame) {
    const struct frame_header *h = &frame->header;
    if (layout->frame_model == FRAME_MODEL_STACKTOP) {
        /* stacktop is -1 from the moment a frame executes until it calls inline, or ends. */
        if (h->depth == -1 || frame->just_pushed) {
            return LIVENESS_ALIVE;
        }
        if ((frame->flags & OP_INLINE_CALL) == 0 || h->depth < 0) {
            return LIVENESS_DEAD; /* it returned, or died by an exception */
        }
        return LIVENESS_SUSPENDED;
    }
    if ((frame->flags & OP_RETURN) != 0 && h->depth <= (int64_t)frame->code->nlocalsplus) {
        return LIVENESS_DEAD; /* unlinked, not yet cleared */
    }
    return frame->unit > frame->code->generator_at ? LIVENESS_DEAD : LIVENESS_ALIVE;
}

/* Appends `frame` to the stack. False when there is no more room. */
static bool stack_push(struct walk *walk, const struct frame *frame) {
    struct stack *stack = walk->stack;
    if (stack->depth == stack->capacity) {
        stack->cut = true;
        return false;
    }
    struct frame *slot = &stack->frames[stack->depth];
    if (walk->prefix_same) {
        if (stack->depth < stack->last_depth && slot->code == frame->code &&
            slot->unit == frame->unit) {
            stack->same = stack->depth + 1;
        } else {
            walk->prefix_same = false;
        }
    }
    *slot = *frame;
    stack->depth++;
    return true;
}

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
        if (walk->patient && address != 0) {
            (void)walk_stop(walk, WALK_NEED_OUTSIDE, address);
        }
        return -1;
    }
    *out = (struct frame){.outside = true};
    frame_load(layout, address, bytes, &out->header);
    if (layout->owner_cstack >= 0 && out->header.owner == (uint32_t)layout->owner_cstack) {
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
        call_pairs_note(walk->pairs, caller->code, caller->unit, callee->code);
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
     * generator at all: only frames that are known already are looked at. */
    if (address == 0 || (walk->layout->frame_model != FRAME_MODEL_STACKTOP &&
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
            (walk->result.outcome != WALK_DONE || !resumed_load(walk, &last, &next))) {
            break;
        }
        if (walk->result.outcome != WALK_DONE || !stack_push(walk, &next)) {
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
        if (!stack_push(walk, &caller)) {
            return false;
        }
        last = caller;
    }
    last.unit = CALL_ANYWHERE; /* it may have gone on meanwhile */
    return call_believed(walk, &last, above, generator_runs(walk, &last)) ||
           (walk->result.outcome == WALK_DONE && walk_mismatch(walk));
}

static bool on_c_stack(const struct stack *stack, uint64_t address) {
    return address >= stack->entry_low - C_STACK_REACH &&
           address < stack->entry_high + C_STACK_REACH;
}

static void c_stack_note(struct stack *stack, uint64_t address) {
    if (stack->entry_high == 0 || address < stack->entry_low) {
        stack->entry_low = address;
    }
    if (address > stack->entry_high) {
        stack->entry_high = address;
    }
}

/* Whether `frame`, which lies above the last frame and names another caller, was called from it all
 * the same: by C code, or by a generator. Generators in between are pushed. */
static bool link_outside(struct walk *walk, const struct frame *frame) {
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
        if (kind > 0 || (kind < 0 && !on_c_stack(stack, address))) {
            return outside_between(walk, address, frame);
        }
        if (kind < 0) {
            return true; /* an entry frame that has been overwritten */
        }
        address = entry.header.previous;
        if (address == last->header.address) {
            c_stack_note(walk->stack, entry.header.address);
            return true;
        }
    }
    return true;
}

/* Goes on from the last frame into the generators that it resumes, or that C code called from it.
 */
static void walk_generators(struct walk *walk) {
    struct stack *stack = walk->stack;
    bool inside = walk->current_frame == 0 ||
                  extents_have(walk->image->chunks, walk->image->chunk_count, walk->current_frame);
    for (unsigned hops = 0; hops < HOPS_MAX && walk->result.outcome == WALK_DONE; hops++) {
        struct frame last = stack->frames[stack->depth - 1];
        struct frame next;
        if (!resumed_load(walk, &last, &next) &&
            (walk->result.outcome != WALK_DONE || inside ||
             last.header.address == walk->current_frame ||
             !outside_child(walk, walk->current_frame, &last, &next))) {
            return;
        }
        if (walk->result.outcome != WALK_DONE || !stack_push(walk, &next)) {
            return;
        }
    }
}

/* 3.11-3.13: the innermost frames are suspended in calls, and what they called is not there. Either
 * it has just returned, or they died by an exception and nothing has overwritten them. The thread
 * state tells: it then names the frame that caught the exception. */
static void drop_corpses(struct walk *walk) {
    struct stack *stack = walk->stack;
    if (walk->current_frame == 0) {
        return;
    }
    for (uint32_t depth = stack->depth; depth > 0; depth--) {
        const struct frame *frame = &stack->frames[depth - 1];
        bool executes = frame->header.depth == -1 || frame->just_pushed;
        if (executes && frame->header.address == walk->current_frame) {
            stack->depth = depth;
        }
        if (executes) {
            return;
        }
    }
}

/* Bytes in use of a chunk: the thread state tells for the last one, each other has it in its
 * header. */
static uint64_t chunk_used(const struct walk *walk, const struct extent *chunk) {
    const struct py_layout *layout = walk->layout;
    const unsigned w = layout->word_size;
    uint64_t used;
    if (image_word(walk->image->state + layout->thread.datastack_chunk, w) == chunk->address) {
        used = image_word(walk->image->state + layout->thread.datastack_top, w) - chunk->address;
    } else {
        used = image_word(chunk->bytes + layout->chunk.top, w) * w + layout->chunk.data;
    }
    return used <= CHUNK_BYTES_MAX ? used : 0;
}

/* Walks the frames in one chunk, from `address`. */
static void walk_chunk(struct walk *walk, const struct extent *chunk, uint64_t address) {
    const struct py_layout *layout = walk->layout;
    struct stack *stack = walk->stack;
    const uint32_t specials = layout->iframe.localsplus;
    uint64_t offset = address - chunk->address;
    uint64_t end = chunk->size;
    if (walk->older && chunk_used(walk, chunk) < end) {
        end = chunk_used(walk, chunk); /* what lies behind is of frames long gone */
    }
    while (offset <= end && specials <= end - offset) {
        struct frame frame = {.outside = false};
        frame_load(layout, chunk->address + offset, chunk->bytes + offset, &frame.header);
        const struct frame *last = stack->depth > 0 ? &stack->frames[stack->depth - 1] : NULL;
        const struct frame *known =
            stack->depth < stack->last_depth ? &stack->frames[stack->depth] : NULL;
        bool linked = last == NULL || frame.header.previous == last->header.address;
        if (walk->prefix_same && linked && known != NULL && !known->outside &&
            header_equal(&known->header, &frame.header)) {
            stack->depth++;
            stack->same = stack->depth;
            offset += (uint64_t)known->code->frame_words * layout->word_size;
            continue;
        }
        if (frame.header.owner != 0) {
            return;
        }
        if (!frame_resolve(walk, &frame) || frame_liveness(layout, &frame) == LIVENESS_DEAD) {
            return;
        }
        if (!linked) {
            if (!link_outside(walk, &frame)) {
                return;
            }
        }
        if (!stack_push(walk, &frame)) {
            return;
        }
        offset += (uint64_t)frame.code->frame_words * layout->word_size;
    }
    if (offset < chunk_used(walk, chunk)) {
        (void)walk_stop(walk, WALK_NEED_CHUNKS, 0); /* there are more frames than were copied */
    }
}

/* The frame that the thread state named when the picture began; 0 if the picture does not tell. */
static uint64_t current_frame_load(struct walk *walk) {
    const struct py_layout *layout = walk->layout;
    const struct thread_image *image = walk->image;
    const unsigned w = layout->word_size;
    if (layout->thread.current_frame != LAYOUT_ABSENT) {
        return image_word(image->state + layout->thread.current_frame, w);
    }
    uint64_t cframe = image_word(image->state + layout->thread.cframe, w);
    const uint8_t *bytes = extents_find(image->outside, image->outside_count,
                                        cframe + layout->cframe.current_frame, w);
    if (bytes == NULL && walk->patient && cframe != 0) {
        (void)walk_stop(walk, WALK_NEED_OUTSIDE, cframe);
    }
    return bytes == NULL ? 0 : image_word(bytes, w);
}

struct walk_result frame_walk(const struct py_layout *layout, struct code_cache *codes,
                              struct call_pairs *pairs, const struct thread_image *image,
                              uint64_t now_ns, bool patient, struct stack *stack) {
    struct walk walk = {
        .layout = layout,
        .codes = codes,
        .pairs = pairs,
        .image = image,
        .stack = stack,
        .result = {.outcome = WALK_DONE, .need = 0},
        .now_ns = now_ns,
        .patient = patient,
        .prefix_same = true,
        .older = true,
        .current_frame = 0,
    };
    const unsigned w = layout->word_size;
    stack->depth = 0;
    stack->same = 0;
    stack->cut = false;
    stack->by_mismatch = false;
    uint64_t newest = image_word(image->state + layout->thread.datastack_chunk, w);
    walk.current_frame = current_frame_load(&walk);
    for (uint32_t i = 0; i < image->chunk_count && walk.result.outcome == WALK_DONE; i++) {
        const struct extent *chunk = &image->chunks[i];
        if (chunk->size < layout->chunk.data ||
            (i > 0 && image_word(chunk->bytes + layout->chunk.previous, w) != chunk[-1].address)) {
            break; /* popped; what is mapped there now is another thing */
        }
        /* The first word of the first chunk stays free, so that a frame's address is never the
         * start of it (push_chunk in Python/pystate.c, 3.11 to 3.15). */
        uint64_t first = chunk->address + layout->chunk.data + (i == 0 ? w : 0);
        uint32_t before = stack->depth;
        walk.older = walk.older && chunk->address != newest;
        walk_chunk(&walk, chunk, first);
        if (stack->depth == before) {
            break;
        }
    }
    if (walk.result.outcome == WALK_DONE && stack->depth > 0) {
        uint32_t inside = stack->depth;
        walk_generators(&walk);
        if (layout->frame_model == FRAME_MODEL_STACKTOP && stack->depth == inside) {
            drop_corpses(&walk);
        }
    }
    if (walk.result.outcome == WALK_DONE) {
        if (stack->same > stack->depth) {
            stack->same = stack->depth;
        }
        stack->last_depth = stack->depth;
    } else {
        stack->last_depth = 0;
    }
    return walk.result;
}
