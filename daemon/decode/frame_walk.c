/* HOT: no allocation, lock, log or system call. Bounded by the picture and the stack's capacity. */
#include "daemon/decode/frame_walk.h"

#include "daemon/decode/frame_chain.h"
#include "daemon/decode/opcodes.h"
#include "daemon/decode/outside_frames.h"
#include "daemon/decode/walk.h"

enum liveness {
    LIVENESS_DEAD,
    LIVENESS_SUSPENDED, /* alive if a frame that it called is, or if it is about to go on */
    LIVENESS_ALIVE,
};

static inline bool header_equal(const struct frame_header *a, const struct frame_header *b) {
    return a->address == b->address && a->executable == b->executable &&
           a->function == b->function && a->previous == b->previous && a->instr == b->instr &&
           a->depth == b->depth && a->owner == b->owner && a->state == b->state;
}

/* Whether the frame at `address` is what it was in the last walk, and called from `last`, what lies
 * below it being the same: one that C code called at the same place of the same caller has the same
 * entry frame. */
static inline bool frame_same(const struct py_layout *layout, uint64_t address,
                              const uint8_t *bytes, const struct frame *known,
                              const struct frame *last) {
    struct frame_header now;
    frame_load(layout, address, bytes, &now);
    return header_equal(&known->header, &now) && !known->outside &&
           (last == NULL || now.previous == last->header.address || known->entered);
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

/* A pair of the datastack, apart from those outside it: those say where generators are resumed. */
#define UNIT_INSIDE(unit) ((unit) | (UINT32_C(1) << 31))

/* Whether `caller` may have called `callee`, which lies behind it. The kernel copies a chunk line
 * by line, so that the two may be of different moments: a return and a call lie between them. A
 * pair that is not proven needs a second picture that shows it, too; the last picture has to do. */
static bool call_stands(struct walk *walk, const struct frame *caller, const struct frame *callee) {
    struct stack *stack = walk->stack;
    const uint32_t unit = UNIT_INSIDE(caller->unit);
    const struct doubt doubt = {
        .caller = caller->code->serial, .callee = callee->code->serial, .unit = unit};
    if (walk->patient && !call_pairs_proven(walk->pairs, caller->code, unit, callee->code)) {
        bool again = false;
        for (uint32_t i = 0; i < stack->doubt_count; i++) {
            again = again || (stack->doubts[i].caller == doubt.caller &&
                              stack->doubts[i].callee == doubt.callee &&
                              stack->doubts[i].unit == doubt.unit);
        }
        if (!again) {
            if (stack->doubt_count < STACK_DOUBTS_MAX) {
                stack->doubts[stack->doubt_count++] = doubt;
            }
            return walk_stop(walk, WALK_TORN, 0);
        }
    }
    call_pairs_note(walk->pairs, caller->code, unit, callee->code, 1);
    return true;
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
        const uint64_t at = chunk->address + offset;
        const struct frame *last = stack->depth > 0 ? &stack->frames[stack->depth - 1] : NULL;
        const struct frame *known =
            stack->depth < stack->last_depth ? &stack->frames[stack->depth] : NULL;
        if (walk->prefix_same && walk->same_codes && known != NULL &&
            frame_same(layout, at, chunk->bytes + offset, known, last)) {
            stack->depth++;
            stack->same = stack->depth;
            offset += (uint64_t)known->code->frame_words * layout->word_size;
            continue;
        }
        struct frame frame = {.outside = false};
        frame_load(layout, at, chunk->bytes + offset, &frame.header);
        bool linked = last == NULL || frame.header.previous == last->header.address;
        if (frame.header.owner != 0) {
            return;
        }
        if (!frame_resolve(walk, &frame)) {
            /* What runs by itself has not called what lies above it: that is a corpse. */
            walk->unknown = walk->unknown && !(layout->frame_model == FRAME_MODEL_STACKTOP &&
                                               last != NULL && linked && last->header.depth < 0);
            return;
        }
        if (frame_liveness(layout, &frame) == LIVENESS_DEAD) {
            return;
        }
        /* To 3.13 a frame that is being pushed has no caller yet: the word is an older frame's. */
        bool being_pushed = frame.just_pushed && layout->frame_model == FRAME_MODEL_STACKTOP;
        const uint32_t below = stack->depth;
        if (!linked && (being_pushed || !outside_link(walk, &frame))) {
            return;
        }
        if (last != NULL && stack->depth == below && !call_stands(walk, last, &frame)) {
            return;
        }
        if (!walk_push(walk, &frame)) {
            return;
        }
        offset += (uint64_t)frame.code->frame_words * layout->word_size;
    }
    if (offset < chunk_used(walk, chunk)) {
        /* There are more frames than were copied. */
        if (walk->patient) {
            (void)walk_stop(walk, WALK_NEED_CHUNKS, 0);
        }
        stack->by_mismatch = true;
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
    walk_used(walk, cframe);
    return bytes == NULL ? 0 : image_word(bytes, w);
}

struct walk_result frame_walk(const struct py_layout *layout, struct code_cache *codes,
                              struct call_pairs *pairs, const struct thread_image *image,
                              uint64_t now_ns, bool patient, struct stack *stack) {
    if (layout->frame_model == FRAME_MODEL_HEAP_CHAIN) {
        return frame_chain_walk(layout, codes, pairs, image, now_ns, patient, stack);
    }
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
    const uint64_t moment = code_cache_viewed(codes).taken;
    walk.same_codes = stack->moment == moment && stack->believed_until_ns >= now_ns;
    if (!walk.same_codes) {
        stack->believed_until_ns = UINT64_MAX;
        stack->moment = moment;
    }
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
    if (walk.unknown) {
        stack->by_mismatch = true;
    } else if (walk.result.outcome == WALK_DONE && stack->depth > 0) {
        uint32_t inside = stack->depth;
        outside_descend(&walk);
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
    walk.result.outside_used = walk.outside_used;
    return walk.result;
}
