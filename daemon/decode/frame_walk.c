/* HOT: no allocation, lock, log or system call. Bounded by the picture and the stack's capacity. */
#include "daemon/decode/frame_walk.h"

#include "daemon/decode/code_units.h"
#include "daemon/decode/opcodes.h"

enum {
    HOPS_MAX = 64, /* frames outside the datastack between two frames inside it */
};

/* A walk under way. */
struct walk {
    const struct py_layout *layout;
    struct code_cache *codes;
    const struct thread_image *image;
    struct stack *stack;
    struct walk_result result; /* anything but WALK_DONE ends the walk */
    uint64_t now_ns;
    bool patient;
    bool prefix_same; /* all frames so far equal those of the last walk */
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

/* Finds code and unit of `frame` from its header. False if it cannot be a frame of that code; the walk
 * stops if nothing is known of the code. */
static bool frame_resolve(struct walk *walk, struct frame *frame) {
    const struct py_layout *layout = walk->layout;
    const struct frame_header *h = &frame->header;
    /* The code units are part of the code object: an instruction before it or far behind is none. */
    if (h->executable == 0 || h->executable % layout->word_size != 0 ||
        h->instr < h->executable || h->instr - h->executable > CODE_BYTES_MAX) {
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
    if ((frame->flags & OP_RETURN_GENERATOR) != 0) {
        return LIVENESS_SUSPENDED; /* dead once its instruction is behind it, which moves on at once */
    }
    return LIVENESS_ALIVE;
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

/* The frame at `address` outside the datastack. 1 if it is one (then in `out`), 0 if it is an entry
 * frame or something else that is not shown (its caller then in `out->header.previous`), -1 if the
 * picture does not hold it or it is no frame. */
static int outside_load(struct walk *walk, uint64_t address, struct frame *out) {
    const struct py_layout *layout = walk->layout;
    const uint8_t *bytes = extents_find(walk->image->outside, walk->image->outside_count, address,
                                        layout->iframe.localsplus);
    if (bytes == NULL) {
        if (walk->patient) {
            (void)walk_stop(walk, WALK_NEED_OUTSIDE, address);
        }
        return -1;
    }
    *out = (struct frame){.outside = true};
    frame_load(layout, address, bytes, &out->header);
    if (layout->owner_cstack >= 0 && out->header.owner == (uint32_t)layout->owner_cstack) {
        return 0;
    }
    if (layout->owner_generator >= 0 && out->header.owner != (uint32_t)layout->owner_generator) {
        return -1;
    }
    return frame_resolve(walk, out) ? 1 : -1;
}

/* Pushes the frames that lie outside the datastack between `below`, a frame inside it, and `from`, the
 * caller that a younger frame names: generators, innermost last. Entry frames are stepped over. True if
 * the chain leads to `below`; otherwise nothing is pushed. */
static bool outside_between(struct walk *walk, uint64_t from, uint64_t below) {
    struct frame found[HOPS_MAX];
    unsigned count = 0;
    uint64_t address = from;
    for (unsigned hops = 0; address != below; hops++) {
        struct frame frame;
        if (hops == HOPS_MAX || address == 0) {
            return false;
        }
        int kind = outside_load(walk, address, &frame);
        if (kind < 0) {
            return false;
        }
        if (kind > 0) {
            found[count++] = frame;
        }
        address = frame.header.previous;
    }
    while (count > 0) {
        if (!stack_push(walk, &found[--count])) {
            break;
        }
    }
    return true;
}

/* The generator that a frame suspended at a `for`, `yield from` or `await` is resuming, by the frame's
 * own value stack: its frame's address, 0 if the picture does not tell. */
static uint64_t resumed_generator(const struct walk *walk, const struct frame *frame) {
    const struct py_layout *layout = walk->layout;
    const unsigned w = layout->word_size;
    if ((frame->flags & OP_GENERATOR_RESUME) == 0 || layout->resume_slot == 0) {
        return 0;
    }
    int64_t slot = frame->header.depth - layout->resume_slot;
    if (slot < (int64_t)frame->code->nlocalsplus || slot >= (int64_t)frame->code->frame_words) {
        return 0;
    }
    const struct thread_image *image = walk->image;
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

/* Goes on from the last frame into the generators that it is resuming. */
static void walk_generators(struct walk *walk) {
    struct stack *stack = walk->stack;
    for (unsigned hops = 0; hops < HOPS_MAX && stack->depth > 0; hops++) {
        const struct frame *last = &stack->frames[stack->depth - 1];
        if (walk->layout->frame_model == FRAME_MODEL_STACKTOP && last->header.depth < 0) {
            return; /* executing itself */
        }
        uint64_t address = resumed_generator(walk, last);
        struct frame frame;
        if (address == 0 || outside_load(walk, address, &frame) != 1 ||
            frame.header.previous != last->header.address || !stack_push(walk, &frame)) {
            return;
        }
    }
}

/* The generators that the thread state names as running, called from the last frame by C code. */
static void walk_current(struct walk *walk) {
    struct stack *stack = walk->stack;
    if (stack->depth == 0 || walk->current_frame == 0) {
        return;
    }
    const struct frame *last = &stack->frames[stack->depth - 1];
    if (walk->current_frame == last->header.address ||
        extents_find(walk->image->chunks, walk->image->chunk_count, walk->current_frame, 1) != NULL) {
        return;
    }
    (void)outside_between(walk, walk->current_frame, last->header.address);
}

/* 3.11-3.13: the innermost frames are suspended in calls, and what they called is not there. Either it
 * has just returned, or they died by an exception and nothing has overwritten them. The thread state
 * tells: it then names the frame that caught the exception. */
static void drop_corpses(struct walk *walk) {
    struct stack *stack = walk->stack;
    if (walk->current_frame == 0) {
        return;
    }
    for (uint32_t depth = stack->depth; depth > 0; depth--) {
        const struct frame *frame = &stack->frames[depth - 1];
        if (frame->header.address == walk->current_frame) {
            stack->depth = depth;
            return;
        }
        if (frame->header.depth == -1 || frame->just_pushed) {
            return;
        }
    }
}

/* Walks the frames in one chunk, from `address`. */
static void walk_chunk(struct walk *walk, const struct extent *chunk, uint64_t address) {
    const struct py_layout *layout = walk->layout;
    struct stack *stack = walk->stack;
    const uint32_t specials = layout->iframe.localsplus;
    uint64_t offset = address - chunk->address;
    while (offset <= chunk->size && specials <= chunk->size - offset) {
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
            uint64_t from = frame.header.previous;
            uint64_t below = last->header.address;
            bool inside = extents_find(walk->image->chunks, walk->image->chunk_count, from, 1) != NULL;
            if (inside) {
                return; /* an older call's: it names another caller */
            }
            if (!outside_between(walk, from, below) && walk->result.outcome != WALK_DONE) {
                return;
            }
        }
        if (!stack_push(walk, &frame)) {
            return;
        }
        offset += (uint64_t)frame.code->frame_words * layout->word_size;
    }
    uint64_t top = image_word(walk->image->state + layout->thread.datastack_top, layout->word_size);
    if (chunk == &walk->image->chunks[walk->image->chunk_count - 1] &&
        chunk->address + offset < top && top - chunk->address <= CODE_BYTES_MAX) {
        (void)walk_stop(walk, WALK_NEED_CHUNKS, 0); /* there are more frames than were copied */
    }
}

struct walk_result frame_walk(const struct py_layout *layout, struct code_cache *codes,
                              const struct thread_image *image, uint64_t now_ns,
                              bool patient, struct stack *stack) {
    struct walk walk = {
        .layout = layout,
        .codes = codes,
        .image = image,
        .stack = stack,
        .result = {.outcome = WALK_DONE, .need = 0},
        .now_ns = now_ns,
        .patient = patient,
        .prefix_same = true,
        .current_frame = 0,
    };
    const unsigned w = layout->word_size;
    stack->depth = 0;
    stack->same = 0;
    stack->cut = false;
    stack->by_mismatch = false;
    if (layout->thread.current_frame != LAYOUT_ABSENT) {
        walk.current_frame = image_word(image->state + layout->thread.current_frame, w);
    } else {
        uint64_t cframe = image_word(image->state + layout->thread.cframe, w);
        const uint8_t *bytes = extents_find(image->outside, image->outside_count,
                                            cframe + layout->cframe.current_frame, w);
        walk.current_frame = bytes == NULL ? 0 : image_word(bytes, w);
    }
    for (uint32_t i = 0; i < image->chunk_count && walk.result.outcome == WALK_DONE; i++) {
        const struct extent *chunk = &image->chunks[i];
        if (chunk->size < layout->chunk.data) {
            break;
        }
        /* The first word of the first chunk stays free, so that a frame's address is never the start
         * of it (push_chunk in Python/pystate.c, 3.11 to 3.15). */
        uint64_t first = chunk->address + layout->chunk.data + (i == 0 ? w : 0);
        uint32_t before = stack->depth;
        walk_chunk(&walk, chunk, first);
        if (stack->depth == before) {
            break;
        }
    }
    if (walk.result.outcome == WALK_DONE) {
        uint32_t inside = stack->depth;
        walk_generators(&walk);
        if (walk.result.outcome == WALK_DONE && stack->depth == inside) {
            walk_current(&walk);
        }
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
