/* HOT: no allocation, lock, log or system call. */
#include "daemon/decode/walk.h"

#include "daemon/decode/code_units.h"

bool walk_stop(struct walk *walk, enum walk_outcome outcome, uint64_t need) {
    walk->result = (struct walk_result){.outcome = outcome, .need = need};
    return false;
}

bool frame_resolve(struct walk *walk, struct frame *frame) {
    const struct py_layout *layout = walk->layout;
    const struct frame_header *h = &frame->header;
    /* The code units are part of the code object: an instruction before it or far behind is none.
     */
    if (h->executable == 0 || h->executable % layout->word_size != 0 || h->instr < h->executable ||
        h->instr - h->executable > CODE_BYTES_MAX) {
        return false;
    }
    if (h->executable == walk->stack->unknown_code) {
        walk->unknown = true;
        return false;
    }
    struct code_entry *entry = code_cache_find(walk->codes, h->executable);
    if (entry == NULL || !code_entry_holds(walk->codes, entry, walk->now_ns)) {
        return walk_stop(walk, WALK_NEED_CODE, h->executable);
    }
    const struct code *code = entry->code;
    if (code == NULL) {
        return false;
    }
    if (entry->believed_until_ns < walk->stack->believed_until_ns) {
        walk->stack->believed_until_ns = entry->believed_until_ns;
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

bool walk_push(struct walk *walk, const struct frame *frame) {
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
