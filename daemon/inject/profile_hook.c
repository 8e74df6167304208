#include "daemon/inject/profile_hook.h"

#include "daemon/inject/stop.h"
#include "daemon/python/interpreter.h"

enum { THREADS_LOOKED_AT_MAX = 1 << 16 };

/* What a thread state says of profiling. */
struct profiling {
    uint64_t profile_func, trace_func, profile_arg;
    int32_t tracing;
    struct raddr use_tracing;
    uint8_t used;
};

/* The place of a thread's c_profileobj. */
static struct raddr argument_at(const struct eval_state *eval, struct raddr thread) {
    uint64_t words = 2;
    return raddr_add(thread, eval->layout->profile_func + words * eval->door->word_size);
}

static enum status profiling_read(const struct eval_state *eval, struct raddr thread,
                                  struct profiling *out) {
    const struct eval_layout *layout = eval->layout;
    const struct memory_write *door = eval->door;
    struct raddr func = raddr_add(thread, layout->profile_func);
    out->use_tracing = raddr_add(thread, layout->use_tracing);
    enum status status = memory_write_get_word(door, func, &out->profile_func);
    if (status == STATUS_OK) {
        status = memory_write_get_word(door, raddr_add(func, door->word_size), &out->trace_func);
    }
    if (status == STATUS_OK) {
        status = memory_write_get_word(door, argument_at(eval, thread), &out->profile_arg);
    }
    if (status == STATUS_OK) {
        status = memory_write_get(door, raddr_add(thread, layout->tracing), &out->tracing,
                                  sizeof out->tracing);
    }
    if (status == STATUS_OK && layout->use_tracing_pointed) {
        status = memory_write_get_word(door, out->use_tracing, &out->use_tracing.v);
    }
    return status == STATUS_OK
               ? memory_write_get(door, out->use_tracing, &out->used, sizeof out->used)
               : status;
}

static struct raddr cell_of(const struct profile_hook_place *place) {
    return snippet_area_cell(place->area, SNIPPET_CELL_HOOK);
}

/* Whether any thread has a hook, of ours or of a daemon that was killed. */
static enum status hooks_look(const struct profile_hook_place *place, bool *found) {
    const struct eval_state *eval = place->eval;
    const struct py_layout *layout = &eval->runtime->layout;
    struct raddr at = raddr_add(eval->interpreter, layout->interpreter.threads_head);
    uint64_t state = 0;
    enum status status = memory_write_get_word(eval->door, at, &state);
    for (unsigned i = 0; status == STATUS_OK && state != 0; ++i) {
        uint64_t argument = 0;
        if (i == THREADS_LOOKED_AT_MAX) {
            return STATUS_CORRUPT;
        }
        status = memory_write_get_word(eval->door, argument_at(eval, raddr_make(state)), &argument);
        if (status == STATUS_OK && argument == cell_of(place).v) {
            *found = true;
            return STATUS_OK;
        }
        if (status == STATUS_OK) {
            status =
                memory_write_get_word(eval->door, raddr_make(state + layout->thread.next), &state);
        }
    }
    if (status == STATUS_OK) {
        *found = false;
    }
    return status;
}

/* The thread that has the GIL, if it can be given a hook; else null. */
static enum status thread_find(const struct profile_hook_place *place, struct raddr *thread,
                               uint64_t *id, struct profiling *profiling) {
    int32_t left = 0;
    enum status status = eval_state_holder(place->eval, thread, id);
    if (status != STATUS_OK || raddr_is_null(*thread)) {
        return status;
    }
    status = profiling_read(place->eval, *thread, profiling);
    if (status == STATUS_OK) {
        status = eval_state_frames_left(place->eval, *thread, &left);
    }
    if (status == STATUS_OK &&
        (raddr_equal(*thread, place->eval->main_thread) || left < EVAL_FRAMES_LEAST ||
         profiling->profile_func != 0 || profiling->profile_arg != 0 ||
         profiling->trace_func != 0 || profiling->tracing != 0 || profiling->used != 0)) {
        *thread = RADDR_NULL;
    }
    return status;
}

enum status profile_hook_look(const struct profile_hook_place *place, bool *useful) {
    struct raddr thread = RADDR_NULL;
    struct profiling profiling;
    uint64_t id = 0;
    bool found = false;
    enum status status = thread_find(place, &thread, &id, &profiling);
    if (status == STATUS_OK && !raddr_is_null(thread)) {
        status = hooks_look(place, &found);
    }
    if (status == STATUS_OK) {
        *useful = !raddr_is_null(thread) && !found;
    }
    return status;
}

struct setting {
    const struct profile_hook_place *place;
    struct profile_hook *hook;
};

static enum status word_put(const struct eval_state *eval, struct raddr at, uint64_t value) {
    return memory_write_put(eval->door, at, &value, eval->door->word_size);
}

static enum status stopped_work(void *context) {
    struct setting *setting = context;
    const struct profile_hook_place *place = setting->place;
    const struct eval_state *eval = place->eval;
    struct raddr thread = RADDR_NULL;
    struct profiling profiling;
    uint64_t id = 0;
    bool found = false;
    bool same = false;
    enum status status = thread_find(place, &thread, &id, &profiling);
    if (status == STATUS_OK) {
        status = hooks_look(place, &found);
    }
    if (status == STATUS_OK) {
        status = snippet_area_has(eval->door, place->area, SNIPPET_CELL_HOOK,
                                  &setting->hook->snippet, &same);
    }
    if (status != STATUS_OK || raddr_is_null(thread) || found || !same) {
        return status;
    }
    struct raddr func = raddr_add(thread, eval->layout->profile_func);
    status = word_put(eval, argument_at(eval, thread), cell_of(place).v);
    if (status == STATUS_OK) {
        status = word_put(eval, func, place->function.v);
    }
    if (status == STATUS_OK) {
        setting->hook->thread = thread;
        setting->hook->id = id;
        status = memory_write_put(eval->door, profiling.use_tracing, &eval->layout->tracing_on,
                                  sizeof eval->layout->tracing_on);
    }
    return status;
}

enum status profile_hook_set(const struct profile_hook_place *place, struct profile_hook *hook,
                             struct error *error) {
    struct setting setting = {.place = place, .hook = hook};
    bool useful = false;
    enum status status = profile_hook_look(place, &useful);
    if (status != STATUS_OK || !useful) {
        return status;
    }
    /* No thread has a hook, so nobody reads the cell: the text is parsed before it removes itself.
     */
    status = snippet_area_write(place->eval->door, place->area, SNIPPET_CELL_HOOK, &hook->snippet);
    return status == STATUS_OK ? stop_run(place->process, stopped_work, &setting, NULL, error)
                               : status;
}

enum status profile_hook_taken(const struct profile_hook_place *place, struct profile_hook *hook,
                               bool *taken) {
    const struct eval_state *eval = place->eval;
    struct profiling profiling = {.profile_arg = 0};
    uint64_t id = 0;
    enum status status =
        interpreter_thread(eval->door, eval->runtime, eval->interpreter, hook->thread, &id);
    bool ended = status == STATUS_TORN || (status == STATUS_OK && id != hook->id);
    if (status == STATUS_OK && !ended) {
        status = profiling_read(eval, hook->thread, &profiling);
        ended = status == STATUS_TORN;
    }
    if (ended) {
        hook->thread = RADDR_NULL;
        *taken = false;
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        *taken = profiling.profile_arg != cell_of(place).v;
    }
    return status;
}

enum status profile_hook_drop(const struct memory_write *door, const struct snippet_area *area,
                              const struct profile_hook *hook) {
    char byte = SNIPPET_HOOK_OFF;
    struct raddr text = snippet_area_cell(area, SNIPPET_CELL_HOOK);
    return memory_write_put(door, raddr_add(text, hook->off), &byte, 1);
}
