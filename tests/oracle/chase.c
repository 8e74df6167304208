#include "tests/oracle/chase.h"

enum { FRAME_BYTES_MAX = 512 };

/* Follows the chain; whether `sought` was passed on the way. */
static bool chain_follow(const struct subject *subject, uint64_t frame, uint64_t sought,
                         struct chase *chase) {
    const struct py_layout *layout = &subject->layout;
    bool heap = layout->frame_model == FRAME_MODEL_HEAP_CHAIN;
    uint32_t back = heap ? layout->frame.back : layout->iframe.previous;
    uint32_t code = heap ? layout->frame.code : layout->iframe.executable;
    uint32_t size = heap ? layout->frame.localsplus : layout->iframe.localsplus;
    bool met = sought == 0;
    int owner = -1;
    for (uint32_t steps = 0; frame != 0; ++steps) {
        uint8_t bytes[FRAME_BYTES_MAX];
        met = met || frame == sought;
        if (steps == CHASE_FRAMES_MAX || size > sizeof bytes ||
            !subject_read(subject, frame, bytes, size)) {
            return met;
        }
        owner = heap ? -1 : bytes[layout->iframe.owner];
        if (heap || layout->owner_cstack < 0 || owner < layout->owner_cstack) {
            chase->codes[chase->count++] =
                subject_word(subject, bytes, code) & ~(uint64_t)layout->tag_mask;
        }
        frame = subject_word(subject, bytes, back);
    }
    chase->broken = false;
    /* A generator is never a root: it is being linked, or unlinked. */
    chase->settled = owner != layout->owner_generator || owner == -1;
    return met;
}

/* 3.11 and 3.12 (Python/ceval.c, _PyEval_EvalFrameDefault): `tstate->cframe` names the new cframe a
 * moment before that names its frame and its own predecessor; until then an old one's lie there.
 * Such a chain does not lead to the frame of the cframe before. */
static void chase_cframe(const struct subject *subject, struct chase *chase) {
    const struct py_layout *layout = &subject->layout;
    uint32_t previous_offset = layout->cframe.current_frame + layout->word_size;
    uint64_t cframe, frame, previous, outer = 0;
    if (!subject_read_word(subject, subject->tstate + layout->thread.cframe, &cframe) ||
        !subject_read_word(subject, cframe + layout->cframe.current_frame, &frame) ||
        !subject_read_word(subject, cframe + previous_offset, &previous)) {
        return;
    }
    bool known = previous == 0 ||
                 subject_read_word(subject, previous + layout->cframe.current_frame, &outer);
    bool met = chain_follow(subject, frame, outer, chase);
    chase->settled = chase->settled && met && known;
}

void chase_stack(const struct subject *subject, struct chase *chase) {
    const struct py_layout *layout = &subject->layout;
    chase->count = 0;
    chase->broken = true;
    chase->settled = false;
    if (layout->thread.cframe != LAYOUT_ABSENT) {
        chase_cframe(subject, chase);
        return;
    }
    uint32_t offset =
        layout->thread.frame != LAYOUT_ABSENT ? layout->thread.frame : layout->thread.current_frame;
    uint64_t frame;
    if (subject_read_word(subject, subject->tstate + offset, &frame)) {
        (void)chain_follow(subject, frame, 0, chase);
    }
}
