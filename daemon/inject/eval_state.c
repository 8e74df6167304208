#include "daemon/inject/eval_state.h"

#include "daemon/python/interpreter.h"

/* What no program sets as its recursion limit. */
#define FRAMES_ABSURD (INT32_C(1) << 30)

static struct raddr from_queue(const struct eval_state *eval, int32_t offset) {
    return raddr_make(eval_state_queue(eval).v + (uint64_t)(int64_t)offset);
}

static enum status int_read(const struct eval_state *eval, struct raddr at, int32_t *out) {
    return memory_write_get(eval->door, at, out, sizeof *out);
}

static enum status gil_find(const struct eval_state *eval, struct raddr *gil) {
    const struct eval_layout *layout = eval->layout;
    if (layout->gil_in_runtime != EVAL_LAYOUT_NONE) {
        *gil = raddr_add(eval->runtime->address, (uint64_t)layout->gil_in_runtime);
        return STATUS_OK;
    }
    *gil = from_queue(eval, layout->gil_from_queue);
    return layout->gil_is_pointer ? memory_write_get_word(eval->door, *gil, &gil->v) : STATUS_OK;
}

enum status eval_state_holder(const struct eval_state *eval, struct raddr *holder, uint64_t *id) {
    struct raddr gil;
    int32_t locked = 0;
    uint64_t state = 0;
    uint64_t word = eval->door->word_size;
    enum status status = gil_find(eval, &gil);
    if (status == STATUS_OK) {
        status = int_read(eval, raddr_add(gil, EVAL_GIL_LOCKED_WORDS * word), &locked);
    }
    if (status == STATUS_OK) {
        status =
            memory_write_get_word(eval->door, raddr_add(gil, EVAL_GIL_HOLDER_WORDS * word), &state);
    }
    if (status == STATUS_OK && (locked != 1 || state == 0)) {
        *holder = RADDR_NULL;
        return STATUS_OK;
    }
    uint64_t number = 0;
    if (status == STATUS_OK) {
        status = interpreter_thread(eval->door, eval->runtime, eval->interpreter, raddr_make(state),
                                    &number);
    }
    if (status == STATUS_TORN) { /* not one of this interpreter */
        *holder = RADDR_NULL;
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        *holder = raddr_make(state);
        *id = number;
    }
    return status;
}

enum status eval_state_frames_left(const struct eval_state *eval, struct raddr thread,
                                   int32_t *left) {
    const struct eval_layout *layout = eval->layout;
    int32_t frames = 0;
    int32_t depth = 0;
    enum status status = STATUS_OK;
    if (layout->limit_from_queue != EVAL_LAYOUT_NONE) {
        status = int_read(eval, from_queue(eval, layout->limit_from_queue), &frames);
        if (status == STATUS_OK) {
            status = int_read(eval, raddr_add(thread, layout->depth), &depth);
        }
        if (status == STATUS_OK && (frames <= 0 || depth < 0)) {
            return STATUS_CORRUPT;
        }
        frames -= depth;
    } else {
        status = int_read(eval, raddr_add(thread, layout->remaining), &frames);
    }
    if (status == STATUS_OK && layout->c_remaining != 0) {
        status = int_read(eval, raddr_add(thread, layout->c_remaining), &depth);
        frames = depth < frames ? depth : frames;
    }
    if (status == STATUS_OK && (frames > FRAMES_ABSURD || frames < -FRAMES_ABSURD)) {
        return STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        *left = frames;
    }
    return status;
}
