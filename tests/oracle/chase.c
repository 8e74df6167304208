#include "tests/oracle/chase.h"

enum { FRAME_BYTES_MAX = 512, TSTATE_SIZE_MOST = 4096 };

/* A frame that C code entered the interpreter with: in 3.11 marked, later one of the interpreter's
 * own. */
static bool frame_is_entry(const struct py_layout *layout, const uint8_t *bytes) {
    if (layout->iframe.is_entry != LAYOUT_ABSENT) {
        return bytes[layout->iframe.is_entry] != 0;
    }
    return bytes[layout->iframe.owner] >= (uint8_t)layout->owner_cstack;
}

/* Follows the chain. `chase->entered` becomes the frames below the entry frames. */
static void chain_follow(const struct subject *subject, uint64_t frame, struct chase *chase) {
    const struct py_layout *layout = &subject->layout;
    bool heap = layout->frame_model == FRAME_MODEL_HEAP_CHAIN;
    uint32_t back = heap ? layout->frame.back : layout->iframe.previous;
    uint32_t code = heap ? layout->frame.code : layout->iframe.executable;
    uint32_t size = heap ? layout->frame.localsplus : layout->iframe.localsplus;
    int owner = -1;
    for (uint32_t steps = 0; frame != 0; ++steps) {
        uint8_t bytes[FRAME_BYTES_MAX];
        if (steps == CHASE_FRAMES_MAX || size > sizeof bytes ||
            !subject_read(subject, frame, bytes, size)) {
            return;
        }
        owner = heap ? -1 : bytes[layout->iframe.owner];
        if (heap || layout->owner_cstack < 0 || owner < layout->owner_cstack) {
            chase->codes[chase->count++] =
                subject_word(subject, bytes, code) & ~(uint64_t)layout->tag_mask;
        }
        frame = subject_word(subject, bytes, back);
        if (!heap && frame_is_entry(layout, bytes)) {
            chase->entered[chase->entries++] = frame;
        }
    }
    chase->broken = false;
    /* A generator is never a root: it is being linked, or unlinked. */
    chase->settled = heap || owner != layout->owner_generator;
}

/* 3.11 and 3.12 (Python/ceval.c, _PyEval_EvalFrameDefault): every entry into the interpreter has a
 * cframe on the C stack, the first one is the thread state's own. `tstate->cframe` names a new one
 * a moment before that names its frame and its predecessor, and a new frame may be current before
 * it is linked; until then old ones' lie there. Such frames and cframes do not fit together. */
static void chase_cframes(const struct subject *subject, struct chase *chase) {
    const struct py_layout *layout = &subject->layout;
    uint32_t current = layout->cframe.current_frame;
    uint32_t previous = current + layout->word_size;
    uint64_t cframe, frame;
    if (!subject_read_word(subject, subject->tstate + layout->thread.cframe, &cframe) ||
        !subject_read_word(subject, cframe + current, &frame)) {
        return;
    }
    chain_follow(subject, frame, chase);
    for (uint32_t i = 0; chase->settled && i < chase->entries; ++i) {
        chase->settled = subject_read_word(subject, cframe + previous, &cframe) &&
                         subject_read_word(subject, cframe + current, &frame) &&
                         frame == chase->entered[i];
    }
    chase->settled = chase->settled && cframe - subject->tstate < TSTATE_SIZE_MOST;
}

void chase_stack(const struct subject *subject, struct chase *chase) {
    const struct py_layout *layout = &subject->layout;
    chase->count = chase->entries = 0;
    chase->broken = true;
    chase->settled = false;
    if (layout->thread.cframe != LAYOUT_ABSENT) {
        chase_cframes(subject, chase);
        return;
    }
    uint32_t offset =
        layout->thread.frame != LAYOUT_ABSENT ? layout->thread.frame : layout->thread.current_frame;
    uint64_t frame;
    if (subject_read_word(subject, subject->tstate + offset, &frame)) {
        chain_follow(subject, frame, chase);
    }
}
