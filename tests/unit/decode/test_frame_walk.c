#include <criterion/criterion.h>
#include <string.h>

#include "daemon/decode/frame_walk.h"
#include "daemon/decode/opcodes.h"
#include "made_code.h"

enum {
    CHUNK_AT = 0x100000,
    CHUNK_BYTES = 4096,
    HEAP_AT = 0x300000,
    HEAP_BYTES = 1024,
    GENERATOR_AT = HEAP_AT + 256, /* the object */
    CAPACITY = 16,
    NOW = 1000,
    CALLER = 0x10000, /* code objects */
    LEAF = 0x11000,
    GENERATOR = 0x12000,
};

/* Units of the codes below. */
enum { CALLER_CALL = 1, LEAF_NOP = 0, LEAF_RETURN = 1, GENERATOR_NOP = 1 };

/* A picture of two chunks and a piece of the heap, and what is known of its program. */
struct scene {
    const struct py_layout *layout;
    struct code_cache *codes;
    struct call_pairs *pairs;
    uint32_t for_iter; /* unit of the caller's FOR_ITER */
    uint8_t state[1024], chunks[2][CHUNK_BYTES], heap[HEAP_BYTES];
    struct extent chunk_extents[2], outside[1];
    uint64_t generators[1];
    struct thread_image image;
    struct frame frames[CAPACITY];
    struct stack stack;
    uint64_t end; /* behind the last frame */
};

static void word_put(const struct scene *scene, uint8_t *at, uint64_t word) {
    memcpy(at, &word, scene->layout->word_size);
}

static const struct code *known(struct scene *scene, uint64_t address, const char *name,
                                const char *const *instructions) {
    struct code *code = made_code(scene->layout, address, name, instructions);
    cr_assert_eq(code_cache_put(scene->codes, address, code, 0), STATUS_OK);
    code_entry_confirm(code_cache_find(scene->codes, address), 800000);
    cr_assert_geq(code_cache_find(scene->codes, address)->believed_until_ns, NOW);
    return code;
}

static void begin(struct scene *scene, unsigned minor, unsigned word_size) {
    static const char *const caller[] = {"NOP", "CALL", "NOP", "FOR_ITER", "RETURN_VALUE", NULL};
    static const char *const leaf[] = {"NOP", "RETURN_VALUE", NULL};
    static const char *const generator[] = {"RETURN_GENERATOR", "NOP", "YIELD_VALUE",
                                            "RETURN_VALUE", NULL};
    memset(scene, 0, sizeof *scene);
    scene->layout = layout_find(3, minor, word_size);
    cr_assert_eq(code_cache_create(&scene->codes), STATUS_OK);
    cr_assert_eq(call_pairs_create(&scene->pairs), STATUS_OK);
    const struct py_layout *layout = scene->layout;
    cr_assert_leq(layout->thread.size, sizeof scene->state);
    known(scene, CALLER, "caller", caller);
    known(scene, LEAF, "leaf", leaf);
    known(scene, GENERATOR, "generator", generator);
    const struct opcode_table *table = opcode_table_find(minor);
    for (unsigned i = 0; i < 256; i++) {
        if (table->ops[i].name != NULL && strcmp(table->ops[i].name, "CALL") == 0) {
            scene->for_iter = 3U + table->ops[i].caches;
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        scene->chunk_extents[i] = (struct extent){
            .address = CHUNK_AT + i * 2U * CHUNK_BYTES,
            .bytes = scene->chunks[i],
            .size = CHUNK_BYTES,
            .whole = CHUNK_BYTES,
        };
    }
    word_put(scene, scene->chunks[1] + layout->chunk.previous, CHUNK_AT);
    scene->outside[0] = (struct extent){
        .address = HEAP_AT, .bytes = scene->heap, .size = HEAP_BYTES, .whole = HEAP_BYTES};
    scene->image = (struct thread_image){
        .state = scene->state,
        .chunks = scene->chunk_extents,
        .chunk_count = 1,
        .outside = scene->outside,
        .outside_count = 1,
        .generators = scene->generators,
    };
    scene->stack.frames = scene->frames;
    scene->stack.capacity = CAPACITY;
    scene->end = CHUNK_AT + layout->chunk.data + word_size;
}

static void end(struct scene *scene) {
    code_cache_destroy(scene->codes);
    call_pairs_destroy(scene->pairs);
}

static void current_set(struct scene *scene, uint64_t frame) {
    const struct py_layout *layout = scene->layout;
    if (layout->thread.current_frame != LAYOUT_ABSENT) {
        word_put(scene, scene->state + layout->thread.current_frame, frame);
    } else {
        word_put(scene, scene->state + layout->thread.cframe, HEAP_AT);
        word_put(scene, scene->heap + layout->cframe.current_frame, frame);
    }
}

static void frame_put(struct scene *scene, uint8_t *bytes, uint64_t address, uint64_t code,
                      uint32_t unit, int32_t depth, uint64_t previous) {
    const struct py_layout *layout = scene->layout;
    word_put(scene, bytes + layout->iframe.executable, code);
    word_put(scene, bytes + layout->iframe.previous, previous);
    word_put(scene, bytes + layout->iframe.instr, code + layout->code.bytecode + 2U * unit);
    if (layout->frame_model == FRAME_MODEL_STACKTOP) {
        memcpy(bytes + layout->iframe.stacktop, &depth, sizeof depth);
    } else {
        word_put(scene, bytes + layout->iframe.stackpointer,
                 address + layout->iframe.localsplus + (uint64_t)depth * layout->word_size);
    }
}

/* Puts a frame behind the last one; its address. */
static uint64_t push(struct scene *scene, uint64_t code, uint32_t unit, int32_t depth,
                     uint64_t previous) {
    const struct py_layout *layout = scene->layout;
    uint64_t address = scene->end;
    unsigned chunk = address < CHUNK_AT + CHUNK_BYTES ? 0 : 1;
    uint8_t *bytes = scene->chunks[chunk] + (address - scene->chunk_extents[chunk].address);
    frame_put(scene, bytes, address, code, unit, depth, previous);
    scene->end += layout->iframe.localsplus + MADE_CODE_WORDS * layout->word_size;
    word_put(scene, scene->state + layout->thread.datastack_chunk,
             scene->chunk_extents[chunk].address);
    word_put(scene, scene->state + layout->thread.datastack_top, scene->end);
    word_put(scene, scene->chunks[chunk] + layout->chunk.top,
             (scene->end - scene->chunk_extents[chunk].address - layout->chunk.data) /
                 layout->word_size);
    return address;
}

/* stacktop, or words below stackpointer, of a frame that executes. */
static int32_t executing(const struct scene *scene) {
    return scene->layout->frame_model == FRAME_MODEL_STACKTOP ? -1 : 2;
}

static struct walk_result walk(struct scene *scene, bool patient) {
    return frame_walk(scene->layout, scene->codes, scene->pairs, &scene->image, NOW, patient,
                      &scene->stack);
}

/* Runs `body` for every minor that has a datastack, and both word sizes. */
static void each(void (*body)(struct scene *scene)) {
    static struct scene scene;
    for (unsigned minor = 11; minor <= 15; minor++) {
        for (unsigned word_size = 4; word_size <= 8; word_size += 4) {
            begin(&scene, minor, word_size);
            body(&scene);
            end(&scene);
        }
    }
}

#define SAID(scene) "3.%u, %u bytes", (scene)->layout->minor, (scene)->layout->word_size

static uint64_t push_chain(struct scene *scene) {
    uint64_t first = push(scene, CALLER, CALLER_CALL, 2, 0);
    uint64_t second = push(scene, CALLER, CALLER_CALL, 2, first);
    return push(scene, LEAF, LEAF_NOP + 0, executing(scene), second);
}

static void living(struct scene *scene) {
    push_chain(scene);
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_assert_eq(scene->stack.depth, 3, SAID(scene));
    cr_expect_str_eq(scene->frames[0].code->function, "caller");
    cr_expect_str_eq(scene->frames[1].code->function, "caller");
    cr_expect_str_eq(scene->frames[2].code->function, "leaf");
    cr_expect_eq(scene->frames[1].unit, CALLER_CALL);
    cr_expect_not(scene->stack.cut || scene->stack.by_mismatch);
}

Test(frame_walk, a_living_chain_is_the_stack) {
    each(living);
}

static void returned(struct scene *scene) {
    uint64_t first = push(scene, CALLER, CALLER_CALL, 2, 0);
    push(scene, LEAF, LEAF_RETURN, 0, first);
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 1, SAID(scene));
}

Test(frame_walk, a_frame_that_has_returned_is_dead) {
    each(returned);
}

static void returning(struct scene *scene) {
    uint64_t first = push(scene, CALLER, CALLER_CALL, 2, 0);
    push(scene, LEAF, LEAF_RETURN, executing(scene), first);
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 2, SAID(scene));
}

Test(frame_walk, a_frame_about_to_return_is_alive) {
    each(returning);
}

static void cleared(struct scene *scene) {
    uint64_t first = push(scene, CALLER, CALLER_CALL, 2, 0);
    uint64_t second = push(scene, LEAF, LEAF_NOP, executing(scene), first);
    word_put(scene, scene->chunks[0] + (second - CHUNK_AT) + scene->layout->iframe.executable, 1);
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 1, SAID(scene));
}

Test(frame_walk, a_frame_without_code_is_dead) {
    each(cleared);
}

static void moved_to_heap(struct scene *scene) {
    if (scene->layout->frame_model == FRAME_MODEL_EXECUTABLE_NULL) {
        uint64_t first = push(scene, CALLER, CALLER_CALL, 2, 0);
        push(scene, GENERATOR, GENERATOR_NOP, 2, first);
        cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
        cr_expect_eq(scene->stack.depth, 1, SAID(scene));
    }
}

Test(frame_walk, a_generators_frame_behind_its_start_is_not_in_the_datastack) {
    each(moved_to_heap);
}

static void died(struct scene *scene) {
    if (scene->layout->frame_model == FRAME_MODEL_STACKTOP) {
        uint64_t first = push(scene, CALLER, 0, -1, 0);
        uint64_t second = push(scene, CALLER, CALLER_CALL, 2, first);
        push(scene, CALLER, CALLER_CALL, 2, second);
        current_set(scene, first);
        cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
        cr_expect_eq(scene->stack.depth, 1, SAID(scene));
        current_set(scene, second); /* it is not known who caught it: all may be alive */
        cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
        cr_expect_eq(scene->stack.depth, 3, SAID(scene));
    }
}

Test(frame_walk, corpses_of_an_exception_are_dropped_down_to_the_current_frame) {
    each(died);
}

static void generator(struct scene *scene) {
    const struct py_layout *layout = scene->layout;
    int32_t depth = layout->resume_slot == 0 ? -1 : 1 + layout->resume_slot;
    uint64_t caller = push(scene, CALLER, scene->for_iter, depth, 0);
    uint64_t frame = GENERATOR_AT + layout->generator.iframe;
    uint8_t *bytes = scene->heap + (frame - HEAP_AT);
    frame_put(scene, bytes, frame, GENERATOR, GENERATOR_NOP, executing(scene), caller);
    bytes[layout->iframe.owner] = (uint8_t)layout->owner_generator;
    scene->heap[GENERATOR_AT - HEAP_AT + layout->generator.frame_state] =
        (uint8_t)layout->frame_executing;
    if (layout->resume_slot == 0) {
        scene->generators[0] = frame;
        scene->image.generator_count = 1;
    } else {
        word_put(scene,
                 scene->chunks[0] + (caller - CHUNK_AT) + layout->iframe.localsplus +
                     layout->word_size,
                 GENERATOR_AT);
    }
    cr_expect_eq(walk(scene, true).outcome, WALK_TORN, SAID(scene)); /* seen once: look again */
    cr_expect_eq(walk(scene, true).outcome, WALK_TORN, SAID(scene));
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
        cr_assert_eq(scene->stack.depth, 2, SAID(scene));
        cr_expect_str_eq(scene->frames[1].code->function, "generator");
        cr_expect(scene->frames[1].outside);
    }
    /* It goes on in the generator of another caller: this one has none. */
    word_put(scene, bytes + layout->iframe.previous, caller + 0x40);
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 1, SAID(scene));
}

Test(frame_walk, a_generator_is_believed_once_its_call_was_seen_several_times) {
    each(generator);
}

static void second_chunk(struct scene *scene) {
    const struct py_layout *layout = scene->layout;
    uint64_t first = push(scene, CALLER, CALLER_CALL, 2, 0);
    scene->image.chunk_count = 2;
    scene->end = scene->chunk_extents[1].address + layout->chunk.data;
    push(scene, LEAF, LEAF_NOP, executing(scene), first);
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 2, SAID(scene));
    word_put(scene, scene->chunks[1] + layout->chunk.previous, 0x500000);
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 1, SAID(scene)); /* popped, and used by another thread */
}

Test(frame_walk, frames_go_on_in_the_next_chunk_while_it_follows) {
    each(second_chunk);
}

static void short_read(struct scene *scene) {
    uint64_t leaf = push_chain(scene);
    scene->chunk_extents[0].size = (uint32_t)(leaf - CHUNK_AT);
    cr_expect_eq(walk(scene, true).outcome, WALK_NEED_CHUNKS, SAID(scene));
    cr_expect_eq(walk(scene, false).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 2, SAID(scene));
    cr_expect(scene->stack.by_mismatch);
}

Test(frame_walk, what_was_not_copied_is_asked_for_or_the_stack_is_torn) {
    each(short_read);
}

static void too_deep(struct scene *scene) {
    push_chain(scene);
    scene->stack.capacity = 2;
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 2, SAID(scene));
    cr_expect(scene->stack.cut);
}

Test(frame_walk, a_stack_without_room_is_cut) {
    each(too_deep);
}

static void unknown_code(struct scene *scene) {
    uint64_t first = push(scene, CALLER, CALLER_CALL, 2, 0);
    push(scene, 0x20000, 0, executing(scene), first);
    struct walk_result result = walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_CODE, SAID(scene));
    cr_expect_eq(result.need, 0x20000, SAID(scene));
    cr_assert_eq(code_cache_put(scene->codes, 0x20000, NULL, NOW), STATUS_OK);
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 1, SAID(scene)); /* no code is there: no frame */
    code_cache_find(scene->codes, CALLER)->believed_until_ns = NOW - 1;
    scene->stack.last_depth = 0;
    result = walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_CODE, SAID(scene));
    cr_expect_eq(result.need, CALLER, SAID(scene));
}

Test(frame_walk, code_that_is_not_known_or_not_believed_is_asked_for) {
    each(unknown_code);
}

static void again(struct scene *scene) {
    uint64_t leaf = push_chain(scene);
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.same, 0, SAID(scene));
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.same, 3, SAID(scene));
    uint64_t second = scene->frames[1].header.address;
    frame_put(scene, scene->chunks[0] + (leaf - CHUNK_AT), leaf, LEAF, LEAF_RETURN,
              executing(scene), second);
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 3, SAID(scene));
    cr_expect_eq(scene->stack.same, 2, SAID(scene));
}

Test(frame_walk, says_which_frames_are_those_of_the_last_walk) {
    each(again);
}
