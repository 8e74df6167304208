/* HOT: no allocation, lock, log or system call. Bounded by the image's index and the stack's
 * capacity. */
#include "daemon/decode/frame_chain.h"

#include "daemon/decode/call_site.h"
#include "daemon/decode/chain_view.h"
#include "daemon/decode/opcodes.h"

enum {
    NOTED_AT_ONCE = 16,        /* sightings of a call that stands */
    SITES_NOTED_AT_ONCE = 4,   /* sightings of its place in the caller */
    DEEP = 64,                 /* frames known of a thread */
    DEAD_LINKS_MAX = 64,       /* from a dead frame to one that runs */
    CODE_IS_GENERATOR = 0x2a0, /* CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR: Include/code.h */
};

/* As a call's unit, with the roles of caller and callee exchanged: from where the callee is called.
 */
#define CALLED_FROM (CALL_ANYWHERE - 1)

static bool is_proven(const struct chain *chain, const struct code *caller,
                      const struct code *callee) {
    return call_pairs_proven(chain->walk.pairs, caller, CALL_ANYWHERE, callee) ||
           call_pairs_proven(chain->walk.pairs, callee, CALLED_FROM, caller);
}

static bool is_calling(const struct chain_slot *view) {
    return view->life == CHAIN_RUNS && (view->frame.flags & OP_CAN_CALL) != 0;
}

/* Whether it is the call that the callee was last seen in. */
static bool is_same_call(const struct chain_slot *callee, const struct chain_slot *caller) {
    return callee->caller == caller->address && callee->code == callee->frame.code->serial &&
           callee->caller_code == caller->frame.code->serial;
}

/* Notes a call that was seen whole: both frames running, the caller at an instruction that can
 * call. Where the thread has moved on meanwhile it proves nothing: of two recursive functions that
 * run one after the other, and share the interpreter's free frames, each seemed to call the other.
 */
static void call_note(struct chain *chain, struct chain_slot *callee,
                      const struct chain_slot *caller) {
    const struct code *calling = caller->frame.code;
    const struct code *called = callee->frame.code;
    if (!chain->moved) {
        call_pairs_note(chain->walk.pairs, calling, CALL_ANYWHERE, called, callee->unnoted + 1);
        call_pairs_note(chain->walk.pairs, called, CALLED_FROM, calling, callee->unnoted + 1);
    }
    callee->unnoted = 0;
    if (!is_same_call(callee, caller)) {
        callee->code = called->serial;
        callee->caller = caller->address;
        callee->caller_code = calling->serial;
        callee->caller_unit = CALL_SITE_UNKNOWN;
        callee->steady = 0;
    }
}

enum parent { PARENT_FOUND, PARENT_NONE_ROOT, PARENT_UNKNOWN };

/* The caller that the frame itself names. */
static enum parent parent_linked(struct chain *chain, struct chain_slot *callee,
                                 struct chain_slot **out) {
    uint64_t address = callee->frame.header.previous;
    bool generator = (callee->frame.code->flags & CODE_IS_GENERATOR) != 0;
    if (address == 0) {
        return generator ? PARENT_UNKNOWN : PARENT_NONE_ROOT;
    }
    struct chain_slot *caller = chain_view(chain, address, callee->caller_slot);
    if (caller == NULL || caller->life == CHAIN_NONE) {
        return PARENT_UNKNOWN;
    }
    callee->caller_slot = (uint32_t)(caller - chain->memory->slots);
    *out = caller;
    if (callee->proven && callee->life == CHAIN_RUNS && is_calling(caller) &&
        is_same_call(callee, caller)) {
        if (++callee->unnoted == NOTED_AT_ONCE) {
            callee->unnoted--;
            call_note(chain, callee, caller);
        }
        return PARENT_FOUND;
    }
    callee->unnoted = 0;
    bool proven = is_proven(chain, caller->frame.code, callee->frame.code);
    if (!is_calling(caller)) {
        return proven ? PARENT_FOUND : PARENT_UNKNOWN;
    }
    if (callee->life == CHAIN_RUNS) {
        call_note(chain, callee, caller);
        callee->proven = proven;
    }
    return proven || !chain->walk.patient ? PARENT_FOUND : PARENT_UNKNOWN;
}

/* Whether the links of dead frames lead from `callee` to a frame that runs, along calls that are
 * proven. The list of free frames leads to frames that ended earlier, which is deeper into the
 * stack. */
static bool leads_to_running(struct chain *chain, const struct chain_slot *callee) {
    for (uint32_t i = 0; i < DEAD_LINKS_MAX; i++) {
        const struct chain_slot *caller =
            chain_view(chain, callee->frame.header.previous, FRAME_UNKNOWN);
        if (caller == NULL || caller->frame.code == NULL ||
            !is_proven(chain, caller->frame.code, callee->frame.code)) {
            return false;
        }
        if (caller->life == CHAIN_RUNS) {
            return is_calling(caller);
        }
        callee = caller;
    }
    return false;
}

/* The caller that a dead frame still names: the interpreter's list of free frames uses the same
 * link. */
static enum parent parent_left(struct chain *chain, struct chain_slot *callee,
                               struct chain_slot **out) {
    uint64_t address = callee->frame.header.previous;
    uint64_t code = callee->frame.header.executable;
    if (address == 0) {
        return PARENT_UNKNOWN;
    }
    if (!(chain_memory_owns(chain->memory, code, callee->address) ||
          (address == callee->caller && callee->frame.code->serial == callee->code)) &&
        !leads_to_running(chain, callee)) {
        return PARENT_UNKNOWN;
    }
    struct chain_slot *caller = chain_view(chain, address, FRAME_UNKNOWN);
    if (caller == NULL || caller->frame.code == NULL ||
        !is_proven(chain, caller->frame.code, callee->frame.code)) {
        return PARENT_UNKNOWN;
    }
    *out = caller;
    return PARENT_FOUND;
}

/* The caller that the frame was seen with last. */
static enum parent parent_remembered(struct chain *chain, struct chain_slot *callee,
                                     struct chain_slot **out) {
    if (callee->code != callee->frame.code->serial) {
        return PARENT_UNKNOWN;
    }
    struct chain_slot *caller = chain_view(chain, callee->caller, FRAME_UNKNOWN);
    if (caller == NULL || caller->frame.code == NULL ||
        caller->frame.code->serial != callee->caller_code ||
        !is_proven(chain, caller->frame.code, callee->frame.code)) {
        return PARENT_UNKNOWN;
    }
    /* Of a recursive function's frames any may have had that caller's frame since. */
    if (chain->walk.patient && !is_calling(caller) &&
        !chain_memory_owns(chain->memory, callee->frame.header.executable, callee->address)) {
        return PARENT_UNKNOWN;
    }
    *out = caller;
    return PARENT_FOUND;
}

static enum parent parent_find(struct chain *chain, struct chain_slot *callee,
                               struct chain_slot **out) {
    enum parent parent = PARENT_UNKNOWN;
    if (callee->life == CHAIN_RUNS || callee->life == CHAIN_KEPT) {
        parent = parent_linked(chain, callee, out);
    } else {
        parent = parent_left(chain, callee, out);
    }
    if (parent == PARENT_UNKNOWN && chain->walk.result.outcome == WALK_DONE) {
        parent = parent_remembered(chain, callee, out);
    }
    return parent;
}

/* Notes that the callee was seen `times` more times in a call from the unit it is remembered with,
 * while the thread stood still. */
static void site_note(struct chain *chain, struct chain_slot *callee,
                      const struct chain_slot *caller, uint32_t times) {
    callee->steady += times;
    if (callee->steady >= SITES_NOTED_AT_ONCE) {
        call_pairs_note(chain->walk.pairs, caller->frame.code, callee->caller_unit,
                        callee->frame.code, callee->steady);
        callee->steady = 0;
    }
}

/* Sets where the caller was when it called: it may have gone on between the callee's copy and its
 * own. */
static void caller_place(struct chain *chain, struct chain_slot *callee,
                         struct chain_slot *caller) {
    struct frame *frame = &caller->frame;
    const struct code *called = callee->frame.code;
    const bool same = is_same_call(callee, caller);
    if (is_calling(caller)) {
        if (same && callee->caller_unit == frame->unit) {
            site_note(chain, callee, caller, chain->steady ? 1 : 0);
            return;
        }
        chain->memory->moved++;
        const bool seen = chain->steady && callee->life == CHAIN_RUNS;
        if (seen || call_site_known(chain->walk.pairs, frame->code, frame->unit, called)) {
            if (same) {
                callee->caller_unit = frame->unit;
                callee->steady = 0;
            }
            if (seen) {
                call_pairs_note(chain->walk.pairs, frame->code, frame->unit, called, 1);
            }
            return;
        }
    }
    const uint32_t unit = call_site_find(chain->walk.pairs, frame->code, frame->unit, called,
                                         same ? callee->caller_unit : CALL_SITE_UNKNOWN);
    if (unit != CALL_SITE_UNKNOWN) {
        frame->unit = unit;
        frame->flags = frame->code->unit_flags[unit];
    }
}

/* Finds the frames that run, root first, by who names whom as its caller; slots go to
 * memory->living. Their number. */
static uint32_t living_find(struct chain *chain) {
    struct chain_memory *memory = chain->memory;
    uint32_t root = FRAME_UNKNOWN;
    for (uint32_t slot = 0; slot < chain->index->capacity; slot++) {
        if (!chain_seems_to_run(chain, slot)) {
            continue;
        }
        struct chain_slot *view = chain_view(chain, chain->index->frames[slot].address, slot);
        if (view == NULL) {
            return 0; /* The walk ended with what it needs. */
        }
    }
    for (uint32_t slot = 0; slot < chain->index->capacity; slot++) {
        const struct chain_slot *view = &memory->slots[slot];
        if (view->viewed != memory->walks || view->life != CHAIN_RUNS) {
            continue;
        }
        uint64_t caller = view->frame.header.previous;
        uint32_t caller_slot = frame_index_find(chain->index, caller);
        if (caller_slot != FRAME_UNKNOWN) {
            memory->slots[caller_slot].callee = slot;
            memory->slots[caller_slot].called = memory->walks;
        } else if (caller == 0 && (view->frame.code->flags & CODE_IS_GENERATOR) == 0) {
            root = slot;
        }
    }
    uint32_t count = 0;
    for (uint32_t slot = root; slot != FRAME_UNKNOWN && count < memory->path_capacity;) {
        const struct chain_slot *view = &memory->slots[slot];
        memory->living[count++] = slot;
        slot = view->called == memory->walks ? view->callee : FRAME_UNKNOWN;
    }
    return count;
}

/* Room for the path: it keeps the outermost frames if there are more. */
static uint32_t path_room(const struct chain *chain) {
    const uint32_t most = chain->walk.stack->capacity;
    return most < chain->memory->path_capacity ? most : chain->memory->path_capacity;
}

static void path_add(const struct chain *chain, uint32_t *length, uint32_t slot) {
    const uint32_t room = path_room(chain);
    if (room > 0) {
        chain->memory->path[*length % room] = slot;
    }
    ++*length;
}

/* Hangs the last frame of the path, whose caller is not to be had any more, under the innermost
 * running frame that is known to call such. False if there is none, or the walk ended. */
static bool path_hang(struct chain *chain, const struct chain_slot *callee, uint32_t *length) {
    struct chain_memory *memory = chain->memory;
    uint32_t living = living_find(chain);
    for (uint32_t i = 0; i < living; i++) {
        if (memory->slots[memory->living[i]].visited == memory->walks) {
            living = i; /* it is part of the path already, and so are its callers */
        }
    }
    for (uint32_t i = living; i > 0; i--) {
        struct chain_slot *caller = &memory->slots[memory->living[i - 1]];
        if (caller->visited == memory->walks || !is_calling(caller) ||
            !is_proven(chain, caller->frame.code, callee->frame.code)) {
            continue;
        }
        for (; i > 0; i--) {
            path_add(chain, length, memory->living[i - 1]);
        }
        return true;
    }
    return false;
}

/* Whether so many frames are known that a picture of them takes long, and much of the stack can
 * have changed in it. */
static bool is_deep(const struct chain *chain) {
    return chain->index->count > DEEP;
}

/* The frames went round in a circle: only the leaf is what it was. */
static void path_restart(const struct chain *chain, uint32_t *length) {
    struct chain_memory *memory = chain->memory;
    for (uint32_t i = 1; i < *length; i++) {
        memory->slots[memory->path[i]].visited = 0;
    }
    *length = 1;
}

/* The caller of the path's last frame is not to be had any more. To look again biases the leaf
 * towards what lasts, to hang it under a running frame loses callers in between: the latter is done
 * where little can be lost, and at last. */
static void path_repair(struct chain *chain, const struct chain_slot *last, uint32_t *length) {
    struct walk *walk = &chain->walk;
    if (!is_deep(chain) || !walk->patient) {
        if (path_hang(chain, last, length) || walk->result.outcome != WALK_DONE) {
            return;
        }
    }
    if (walk->patient) {
        (void)walk_stop(walk, WALK_TORN, 0);
    } else {
        walk->stack->by_mismatch = true;
    }
}

/* Follows the chain from the leaf; slots go to memory->path. Their number, which may be more
 * than there is room for. */
static uint32_t chain_follow(struct chain *chain, uint64_t leaf) {
    struct walk *walk = &chain->walk;
    struct chain_memory *memory = chain->memory;
    struct chain_slot *const first = chain_view(chain, leaf, FRAME_UNKNOWN);
    uint32_t length = 0;
    if (first == NULL || first->life == CHAIN_NONE) {
        if (walk->result.outcome == WALK_DONE) {
            (void)walk_stop(walk, WALK_TORN, 0);
        }
        return 0;
    }
    for (struct chain_slot *at = first;;) {
        if (at->visited == memory->walks) {
            if (is_deep(chain) || length > path_room(chain)) {
                (void)walk_stop(walk, WALK_TORN, 0);
            } else {
                path_restart(chain, &length);
                path_repair(chain, first, &length);
            }
            return length;
        }
        at->visited = memory->walks;
        if (!at->owned) {
            at->owned = true;
            chain_memory_own(memory, at->frame.header.executable, at->address);
        }
        path_add(chain, &length, (uint32_t)(at - memory->slots));
        struct chain_slot *caller = NULL;
        enum parent parent = parent_find(chain, at, &caller);
        if (walk->result.outcome != WALK_DONE || parent == PARENT_NONE_ROOT) {
            return length;
        }
        if (parent == PARENT_UNKNOWN) {
            path_repair(chain, at, &length);
            return length;
        }
        caller_place(chain, at, caller);
        at = caller;
    }
}

struct walk_result frame_chain_walk(const struct py_layout *layout, struct code_cache *codes,
                                    struct call_pairs *pairs, const struct thread_image *image,
                                    uint64_t now_ns, bool patient, struct stack *stack) {
    struct chain chain = {
        .walk = {.layout = layout,
                 .codes = codes,
                 .pairs = pairs,
                 .image = image,
                 .stack = stack,
                 .result = {.outcome = WALK_DONE, .need = 0},
                 .now_ns = now_ns,
                 .patient = patient,
                 .prefix_same = true},
        .memory = stack->chain,
        .index = image->frames,
    };
    struct chain_memory *memory = stack->chain;
    memory->walks++;
    memory->epoch += stack->last_depth == 0 ? 1 : 0;
    stack->depth = 0;
    stack->same = 0;
    stack->cut = false;
    stack->by_mismatch = false;
    uint64_t leaf = image_word(image->state + layout->thread.frame, layout->word_size);
    const bool observed = image->leaf_again != NULL;
    chain.steady = observed && image_word(image->leaf_again, layout->word_size) == leaf;
    chain.moved = observed && !chain.steady;
    uint32_t length = leaf == 0 ? 0 : chain_follow(&chain, leaf);
    if (chain.walk.result.outcome != WALK_DONE) {
        stack->last_depth = 0;
        return chain.walk.result;
    }
    const uint32_t room = path_room(&chain);
    stack->cut = length > room;
    for (uint32_t i = 0; i < length && i < room; i++) {
        (void)walk_push(&chain.walk, &memory->slots[memory->path[(length - 1 - i) % room]].frame);
    }
    stack->last_depth = stack->depth;
    return chain.walk.result;
}
