/* HOT: no allocation, lock, log or system call. */
#include "daemon/decode/chain_view.h"

enum { REFERENCES_MAX = 1 << 30 }; /* to one frame */

static void chain_load(const struct py_layout *layout, uint64_t address, const uint8_t *bytes,
                       struct frame_header *out) {
    const unsigned w = layout->word_size;
    *out = (struct frame_header){
        .address = address,
        .executable = image_word(bytes + layout->frame.code, w),
        .previous = image_word(bytes + layout->frame.back, w),
        .instr = (uint64_t)(int64_t)image_int(bytes + layout->frame.lasti),
        .depth = (int64_t)image_word(bytes, w), /* ob_refcnt */
        .state = bytes[layout->frame.state],
    };
}

/* Finds the code of a frame: `known`, if it still is that of the executable; NULL if it is no code.
 * The walk stops if nothing is known of it. */
static const struct code *chain_code(struct chain *chain, struct chain_slot *view,
                                     const struct code *known) {
    struct walk *walk = &chain->walk;
    const uint64_t executable = view->frame.header.executable;
    if (known != NULL && view->epoch == chain->memory->epoch &&
        walk->now_ns <= view->believed_until_ns) {
        return known;
    }
    if (executable == 0 || executable % walk->layout->word_size != 0) {
        return NULL;
    }
    if (executable == walk->stack->unknown_code) {
        return NULL;
    }
    struct code_entry *entry = code_cache_find(walk->codes, executable);
    if (entry == NULL || !code_entry_holds(walk->codes, entry, walk->now_ns)) {
        (void)walk_stop(walk, WALK_NEED_CODE, executable);
        return NULL;
    }
    view->epoch = chain->memory->epoch;
    view->believed_until_ns = entry->believed_until_ns;
    view->owned = false;
    return entry->code;
}

/* Finds the unit of a frame from its header. False if it cannot be a frame of that code. */
static bool chain_resolve(const struct py_layout *layout, const struct code *code,
                          struct frame *frame) {
    const struct frame_header *h = &frame->header;
    int64_t offset = (int64_t)h->instr * layout->instr_scale;
    frame->just_pushed = (int64_t)h->instr == -1;
    if (!frame->just_pushed &&
        (offset < 0 || offset % 2 != 0 || offset / 2 >= (int64_t)code->units)) {
        return false;
    }
    frame->code = code;
    frame->unit = frame->just_pushed ? 0 : (uint32_t)(offset / 2);
    frame->flags = frame->just_pushed || code->units == 0 ? 0 : code->unit_flags[frame->unit];
    return true;
}

static enum chain_life chain_life(const struct py_layout *layout, const struct frame *frame) {
    const struct frame_header *h = &frame->header;
    if (frame->code == NULL || h->depth < 0 || h->depth > REFERENCES_MAX) {
        return CHAIN_NONE;
    }
    if (h->depth == 0) {
        return CHAIN_DEAD;
    }
    return h->state == (uint8_t)layout->frame_executing ||
                   h->state == (uint8_t)layout->frame_unwinding
               ? CHAIN_RUNS
               : CHAIN_KEPT;
}

struct chain_slot *chain_view(struct chain *chain, uint64_t address, uint32_t likely_slot) {
    struct walk *walk = &chain->walk;
    uint32_t slot =
        likely_slot < chain->index->capacity && chain->index->frames[likely_slot].address == address
            ? likely_slot
            : frame_index_find(chain->index, address);
    if (slot == FRAME_UNKNOWN || chain->index->frames[slot].bytes == NULL) {
        if (walk->patient && address != 0 && address % walk->layout->word_size == 0) {
            (void)walk_stop(walk, WALK_NEED_OUTSIDE, address);
        }
        return NULL;
    }
    struct chain_slot *view = &chain->memory->slots[slot];
    if (view->viewed == chain->memory->walks) {
        return view;
    }
    if (view->address != address) {
        *view = (struct chain_slot){.address = address};
    }
    const struct code *code = view->frame.code;
    const uint64_t executable = view->frame.header.executable;
    view->frame = (struct frame){.outside = false};
    chain_load(walk->layout, address, chain->index->frames[slot].bytes, &view->frame.header);
    code = chain_code(chain, view, view->frame.header.executable == executable ? code : NULL);
    if (walk->result.outcome != WALK_DONE) {
        return NULL;
    }
    if (code != NULL) {
        (void)chain_resolve(walk->layout, code, &view->frame);
    }
    view->life = chain_life(walk->layout, &view->frame);
    view->viewed = chain->memory->walks;
    return view;
}

bool chain_seems_to_run(const struct chain *chain, uint32_t slot) {
    const struct indexed_frame *indexed = &chain->index->frames[slot];
    const struct py_layout *layout = chain->walk.layout;
    struct frame_header h;
    if (indexed->address == 0 || indexed->bytes == NULL) {
        return false;
    }
    chain_load(layout, indexed->address, indexed->bytes, &h);
    if (h.depth <= 0 || h.state != (uint8_t)layout->frame_executing || h.executable == 0) {
        return false;
    }
    const struct code_entry *entry = code_cache_find(chain->walk.codes, h.executable);
    return entry != NULL && entry->code != NULL;
}
