/* HOT, with cold corners: see the header. */
#include "daemon/service/thread_sampler.h"

#include "daemon/decode/chain_memory.h"
#include "daemon/decode/frame_walk.h"

enum {
    PICTURES_MAX = 5,       /* of one thread and tick */
    CHAIN_PICTURES_MAX = 8, /* the same to 3.10: those of a deep stack take tens of microseconds */
    APART_DEPTH = 64,       /* frames; for fewer a picture of their own is not worth it */
    APART_SAMPLES = 64,
    SETTLED_WALKS = 256,     /* after which it is looked whether calls move */
    SETTLED_SHARE = 16,      /* they do, if in at least one walk of so many */
    RELEARNED_MAX = 8,       /* times that its chunks were others than expected */
    LESSONS_MAX = 1 << 16,   /* code objects learned for one stack */
    STACK_DEPTH_MAX = 16384, /* frames; a deeper stack is cut */
    AGAIN_SPANS = 2048,
    AGAIN_BYTES = 24 << 20,
    C_STACK_WINDOW = 8192, /* a power of two */
    OUTSIDE_WORDS = 40,    /* read of a frame outside the datastack: header, locals, value stack */
};

enum status thread_sampler_init(struct thread_sampler *sampler, const struct memory *memory,
                                const struct py_layout *layout, struct code_cache *codes,
                                struct shim_link *link) {
    const struct opcode_table *opcodes = opcode_table_find(layout->minor);
    if (opcodes == NULL) {
        return STATUS_UNSUPPORTED;
    }
    *sampler =
        (struct thread_sampler){.memory = memory, .layout = layout, .codes = codes, .link = link};
    code_loader_init(&sampler->loader, memory, layout, opcodes, codes);
    enum status status = call_pairs_create(&sampler->pairs);
    return status != STATUS_OK ? status : picture_create(AGAIN_SPANS, AGAIN_BYTES, &sampler->again);
}

void thread_sampler_deinit(struct thread_sampler *sampler) {
    picture_destroy(sampler->again);
    call_pairs_destroy(sampler->pairs);
    sampler->again = NULL;
    sampler->pairs = NULL;
}

/* Lets the next picture of frame objects begin at the frame that runs now: of a deep stack that is
 * returning the innermost frames end while the others are read. */
static void picture_aim(struct thread_sampler *sampler, struct thread_plan *plan) {
    uint64_t leaf = 0;
    if (memory_read_word(sampler->memory, raddr_add(plan->state, sampler->layout->thread.frame),
                         &leaf) == STATUS_OK) {
        plan->chain.leaf = leaf;
    }
}

enum status thread_sampler_picture(struct thread_sampler *sampler, struct picture *picture,
                                   uint64_t now_ns) {
    struct code_cache *codes = sampler->codes;
    shim_link_take(sampler->link, codes, now_ns);
    sampler->moments.begun = code_cache_moment(codes);
    enum status status = picture_take(picture, 0, sampler->memory);
    shim_link_take(sampler->link, codes, now_ns);
    sampler->moments.taken = code_cache_moment(codes);
    return status;
}

/* A picture of this thread alone. */
static enum status picture_again(struct thread_sampler *sampler, struct thread_record *record,
                                 uint64_t now_ns, struct thread_image *image) {
    struct thread_plan *plan = &record->plan;
    plan->chain.alone = true;
    if (plan->chain.index.count > APART_DEPTH) {
        picture_aim(sampler, plan);
    }
    picture_begin(sampler->again);
    if (thread_plan_add(plan, sampler->layout, sampler->again) == PICTURE_FULL) {
        return STATUS_NOMEM;
    }
    plan->changed = true; /* the picture of all threads is still to be planned anew */
    sampler->retries++;
    record->stack.unknown_code = 0;
    const struct code_moments of_all = sampler->moments;
    enum status status = thread_sampler_picture(sampler, sampler->again, now_ns);
    code_cache_view(sampler->codes, sampler->moments);
    sampler->moments = of_all;
    if (status != STATUS_OK) {
        return status;
    }
    return thread_plan_image(plan, sampler->layout, sampler->again, 0, image);
}

/* Learns the chunks, and takes a picture of them. */
static enum status picture_learned(struct thread_sampler *sampler, struct thread_record *record,
                                   uint64_t now_ns, struct thread_image *image) {
    enum status status = thread_plan_learn(&record->plan, sampler->memory, sampler->layout);
    return status != STATUS_OK ? status : picture_again(sampler, record, now_ns, image);
}

/* Bytes that are read of a frame outside the datastack. */
static uint32_t outside_bytes(const struct py_layout *layout) {
    return (uint32_t)OUTSIDE_WORDS * layout->word_size;
}

/* Reads a frame that a picture of frame objects lacks: for that picture if it can still be had,
 * else for another. */
static enum status chain_provide(struct thread_sampler *sampler, struct thread_record *record,
                                 uint64_t address, uint64_t now_ns, unsigned *pictures,
                                 struct thread_image *image) {
    struct thread_plan *plan = &record->plan;
    enum status status =
        chain_plan_learn(&plan->chain, sampler->memory, sampler->layout, address, now_ns);
    plan->changed = plan->changed || plan->chain.stale;
    image->leaf_again = NULL; /* that was before this frame was read */
    if (status == STATUS_OK) {
        status = chain_memory_reserve(&record->stack.chain, plan->chain.index.capacity,
                                      record->stack.capacity);
    }
    if (status != STATUS_TORN) {
        return status;
    }
    ++*pictures;
    return picture_again(sampler, record, now_ns, image);
}

/* Reads a frame outside the datastack along from now on: on the C stack, where entry frames stand
 * close together, with all around it. */
static void outside_want(struct thread_record *record, const struct py_layout *layout,
                         uint64_t address, uint64_t now_ns) {
    if (stack_on_c_stack(&record->stack, address)) {
        address &= ~(uint64_t)(C_STACK_WINDOW - 1);
        thread_plan_want(&record->plan, address, C_STACK_WINDOW + outside_bytes(layout), false,
                         now_ns);
    } else {
        thread_plan_want(&record->plan, address, outside_bytes(layout), false, now_ns);
    }
}

/* Learns the code object at `address` for the picture that is looked at. If it has been destroyed
 * since that was begun, and be it while we read it, what it was is not known any more: taking
 * another picture would show less and less of what is short-lived. */
static enum status learn_code(struct thread_sampler *sampler, struct stack *stack, uint64_t address,
                              uint64_t now_ns) {
    struct code_cache *codes = sampler->codes;
    enum status status = STATUS_OK;
    if (!code_cache_gone_since(codes, address)) {
        status = code_loader_learn(&sampler->loader, address, now_ns);
        shim_link_take(sampler->link, codes, now_ns);
    }
    if (code_cache_gone_since(codes, address)) {
        code_cache_doubt(codes, address);
        stack->unknown_code = address;
    }
    return status;
}

/* Does what the walk asked for, so that it can be tried again. `*pictures` counts new pictures. */
static enum status walk_provide(struct thread_sampler *sampler, struct thread_record *record,
                                struct walk_result result, uint64_t now_ns, unsigned *pictures,
                                struct thread_image *image) {
    switch (result.outcome) {
    case WALK_NEED_CODE:
        return learn_code(sampler, &record->stack, result.need, now_ns);
    case WALK_NEED_OUTSIDE:
        if (sampler->layout->frame_model == FRAME_MODEL_HEAP_CHAIN) {
            return chain_provide(sampler, record, result.need, now_ns, pictures, image);
        }
        outside_want(record, sampler->layout, result.need, now_ns);
        break;
    case WALK_NEED_CHUNKS:
        thread_plan_fit(&record->plan, sampler->layout, image);
        if (!record->plan.changed) {
            ++*pictures;
            return picture_learned(sampler, record, now_ns, image);
        }
        break;
    case WALK_DONE:
    case WALK_TORN:
        break;
    }
    ++*pictures;
    return picture_again(sampler, record, now_ns, image);
}

/* Makes room for a stack that was cut. False when it is as deep as is shown. */
static bool stack_grow(struct thread_record *record) {
    uint32_t depth = record->stack.capacity * 2;
    return depth <= STACK_DEPTH_MAX && thread_record_reserve(record, depth) == STATUS_OK;
}

/* Where calls are seldom elsewhere than before, it does not pay to look whether stacks stand still.
 */
static void chain_observe(struct thread_plan *plan, const struct chain_memory *memory) {
    struct chain_plan *chain = &plan->chain;
    if (memory->walks - chain->observed_walks < SETTLED_WALKS) {
        return;
    }
    bool settled = (memory->moved - chain->observed_moved) * SETTLED_SHARE <
                   memory->walks - chain->observed_walks;
    plan->changed = plan->changed || settled != chain->settled;
    chain->settled = settled;
    chain->observed_walks = memory->walks;
    chain->observed_moved = memory->moved;
}

/* Lets the plan follow the thread: the used part of its chunks, the generators in its stack. */
static void plan_follow(struct thread_sampler *sampler, struct thread_record *record,
                        const struct thread_image *image, struct walk_result result,
                        uint64_t now_ns) {
    struct thread_plan *plan = &record->plan;
    const struct stack *stack = &record->stack;
    if (sampler->layout->frame_model == FRAME_MODEL_HEAP_CHAIN) {
        for (uint32_t i = 0; i < stack->depth; i++) {
            chain_plan_want(&plan->chain, stack->frames[i].header.address, i, now_ns);
        }
        chain_plan_expire(&plan->chain, stack->depth, now_ns);
        plan->changed = plan->changed || plan->chain.stale;
        chain_observe(plan, stack->chain);
        return;
    }
    thread_plan_fit(plan, sampler->layout, image);
    for (uint32_t i = 0; plan->outside_count > 0 && i < stack->depth; i++) {
        if (stack->frames[i].outside) {
            thread_plan_want(plan, stack->frames[i].header.address, outside_bytes(sampler->layout),
                             true, now_ns);
        }
    }
    thread_plan_keep(plan, result.outside_used, now_ns);
    thread_plan_expire(plan, now_ns);
}

/* A deep stack that moved too fast for the picture of all threads gets pictures of its own for a
 * while. */
static void chain_settle(struct thread_plan *plan, uint32_t depth, unsigned pictures) {
    struct chain_plan *chain = &plan->chain;
    if (pictures > 1 && depth > APART_DEPTH) {
        plan->changed = plan->changed || chain->apart == 0;
        chain->apart = APART_SAMPLES;
    } else if (chain->apart > 0) {
        chain->apart--;
        plan->changed = plan->changed || chain->apart == 0;
    }
}

static bool status_ends(enum status status) {
    return status == STATUS_GONE || status == STATUS_DENIED || status == STATUS_ABSENT;
}

enum status thread_sampler_stack(struct thread_sampler *sampler, struct thread_record *record,
                                 const struct picture *picture, uint64_t now_ns) {
    const struct py_layout *layout = sampler->layout;
    struct stack *stack = &record->stack;
    struct thread_image image;
    const unsigned most =
        layout->frame_model == FRAME_MODEL_HEAP_CHAIN ? CHAIN_PICTURES_MAX : PICTURES_MAX;
    unsigned pictures = 1;
    unsigned relearned = 0;
    stack->doubt_count = 0;
    if (record->first_span != PICTURE_FULL &&
        still_holds(&record->still, picture, record->first_span, record->end_span, now_ns)) {
        stack->same = stack->depth;
        return STATUS_OK;
    }
    still_forget(&record->still);
    code_cache_view(sampler->codes, sampler->moments);
    stack->unknown_code = 0;
    enum status status =
        record->first_span == PICTURE_FULL
            ? picture_again(sampler, record, now_ns, &image)
            : thread_plan_image(&record->plan, layout, picture, record->first_span, &image);
    for (unsigned lessons = 0; pictures <= most && lessons < LESSONS_MAX; lessons++) {
        if (status == STATUS_TORN && relearned < RELEARNED_MAX) {
            status = picture_learned(sampler, record, now_ns, &image);
            relearned++;
            continue;
        }
        if (status == STATUS_OK && !thread_record_is_same(record, layout, image.state)) {
            status = STATUS_ABSENT;
        }
        if (status != STATUS_OK) {
            break;
        }
        if (layout->frame_model == FRAME_MODEL_HEAP_CHAIN) {
            status = chain_memory_reserve(&stack->chain, record->plan.chain.index.capacity,
                                          stack->capacity);
            if (status != STATUS_OK) {
                break;
            }
        }
        struct walk_result result = frame_walk(layout, sampler->codes, sampler->pairs, &image,
                                               now_ns, pictures < most, stack);
        if (record->node_count > stack->same) {
            record->node_count = stack->same;
        }
        if (result.outcome == WALK_DONE && !(stack->cut && stack_grow(record))) {
            if (layout->frame_model == FRAME_MODEL_HEAP_CHAIN) {
                chain_settle(&record->plan, stack->depth, pictures);
            }
            plan_follow(sampler, record, &image, result, now_ns);
            if (stack->same == stack->depth && pictures == 1 && !stack->by_mismatch &&
                record->first_span != PICTURE_FULL) {
                still_keep(&record->still, picture, record->first_span, record->end_span, now_ns);
            } else {
                still_end(&record->still);
            }
            return STATUS_OK;
        }
        if (result.outcome != WALK_DONE) {
            status = walk_provide(sampler, record, result, now_ns, &pictures, &image);
        }
    }
    stack->depth = 0;
    stack->last_depth = 0;
    record->node_count = 0;
    return status_ends(status) ? status : STATUS_TORN;
}
