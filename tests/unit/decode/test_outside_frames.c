#include <criterion/criterion.h>
#include <string.h>

#include "datastack_scene.h"

enum {
    OBJECT_BYTES = 256, /* from one generator in the heap to the next */
    ENTRY_AT = SCENE_C_STACK_AT + 64,
    ENTRY_BYTES = 128,
    SETTLED = 16, /* pictures in which a call is seen before it must be believed */
};

static uint8_t *heap_at(struct datastack_scene *scene, uint64_t address) {
    return scene->heap + (address - SCENE_HEAP_AT);
}

static uint64_t object_at(unsigned i) {
    return SCENE_GENERATOR_AT + (uint64_t)i * OBJECT_BYTES;
}

static void state_set(struct datastack_scene *scene, unsigned i, int state) {
    *(heap_at(scene, object_at(i)) + scene->layout->generator.frame_state) = (uint8_t)state;
}

/* Puts generator `i`, which runs at `unit`, into the heap; its frame's address. */
static uint64_t generator_put(struct datastack_scene *scene, unsigned i, uint32_t unit,
                              uint64_t previous) {
    const struct py_layout *layout = scene->layout;
    uint64_t frame = object_at(i) + layout->generator.iframe;
    uint8_t *bytes = heap_at(scene, frame);
    datastack_frame_put(scene, bytes, frame, GENERATOR, unit, datastack_executing(scene), previous);
    bytes[layout->iframe.owner] = (uint8_t)layout->owner_generator;
    state_set(scene, i, layout->frame_executing);
    return frame;
}

static void previous_set(struct datastack_scene *scene, uint64_t frame, uint64_t previous) {
    datastack_word_put(scene, heap_at(scene, frame) + scene->layout->iframe.previous, previous);
}

/* The picture says that there was a generator's frame lately. */
static void generator_known(struct datastack_scene *scene, uint64_t frame) {
    scene->generators[scene->image.generator_count++] = frame;
}

/* Puts a frame that resumes generator `i` in a `for`; its address. */
static uint64_t push_resuming(struct datastack_scene *scene, unsigned i, uint64_t previous) {
    const struct py_layout *layout = scene->layout;
    int32_t depth = layout->resume_slot == 0 ? -1 : 1 + layout->resume_slot;
    uint64_t frame = datastack_push(scene, CALLER, scene->for_iter, depth, previous);
    if (layout->resume_slot != 0) {
        datastack_word_put(scene,
                           scene->chunks[0] + (frame - SCENE_CHUNK_AT) + layout->iframe.localsplus +
                               layout->word_size,
                           object_at(i));
    }
    return frame;
}

/* Puts a frame that calls C code; its address. */
static uint64_t push_calling(struct datastack_scene *scene, uint64_t previous) {
    return datastack_push(scene, CALLER, CALLER_CALL, datastack_executing(scene), previous);
}

/* Puts a frame that is about to return: to 3.13 one at its first unit has no caller yet. */
static uint64_t push_leaf(struct datastack_scene *scene, uint64_t previous) {
    return datastack_push(scene, LEAF, LEAF_RETURN, datastack_executing(scene), previous);
}

/* Puts entry frame `i` onto the C stack; its address. */
static uint64_t entry_put(struct datastack_scene *scene, unsigned i, uint64_t previous) {
    const struct py_layout *layout = scene->layout;
    uint64_t address = ENTRY_AT + (uint64_t)i * ENTRY_BYTES;
    uint8_t *bytes = scene->c_stack + (address - SCENE_C_STACK_AT);
    memset(bytes, 0, ENTRY_BYTES);
    datastack_word_put(scene, bytes + layout->iframe.previous, previous);
    bytes[layout->iframe.owner] = (uint8_t)layout->owner_cstack;
    return address;
}

static bool has_entry_frames(const struct datastack_scene *scene) {
    return scene->layout->owner_cstack >= 0;
}

/* The stack is that of `names`, outermost first, each followed by a blank. */
static void expect_names(const struct datastack_scene *scene, const char *names) {
    char found[SCENE_CAPACITY * 16] = "";
    for (uint32_t i = 0; i < scene->stack.depth; i++) {
        strcat(found, scene->frames[i].code->function);
        strcat(found, " ");
    }
    cr_expect_str_eq(found, names, "\"%s\", not \"%s\": 3.%u, %u bytes", found, names,
                     scene->layout->minor, scene->layout->word_size);
}

static void expect_sound(struct datastack_scene *scene, const char *names) {
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    expect_names(scene, names);
    cr_expect_not(scene->stack.cut || scene->stack.by_mismatch, SAID(scene));
}

/* However often it is seen, another picture is asked for. */
static void expect_torn(struct datastack_scene *scene) {
    for (unsigned i = 0; i < SETTLED; i++) {
        cr_expect_eq(datastack_walk(scene, true).outcome, WALK_TORN, SAID(scene));
    }
}

/* Looks until the calls in the picture have been seen often enough to be believed. */
static void settle(struct datastack_scene *scene) {
    for (unsigned i = 0; i < SETTLED; i++) {
        (void)datastack_walk(scene, true);
    }
}

static void linked(struct datastack_scene *scene) {
    uint64_t caller = push_resuming(scene, 0, 0);
    uint64_t frame = generator_put(scene, 0, GENERATOR_NOP, caller);
    generator_known(scene, frame);
    cr_expect_eq(datastack_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    expect_names(scene, "caller generator "); /* with no other picture to be had */
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_TORN, SAID(scene));
    settle(scene);
    expect_sound(scene, "caller generator ");
    cr_expect(scene->frames[1].outside, SAID(scene));
    cr_expect_eq(scene->frames[1].header.address, frame, SAID(scene));
    cr_expect_eq(scene->frames[1].unit, GENERATOR_NOP, SAID(scene));
}

Test(outside_frames, a_call_is_believed_once_it_was_seen_several_times) {
    datastack_each(linked);
}

static void of_another(struct datastack_scene *scene) {
    uint64_t caller = push_resuming(scene, 0, 0);
    uint64_t frame = generator_put(scene, 0, GENERATOR_NOP, caller + 0x40);
    const struct code *code = code_cache_find(scene->codes, CALLER)->code;
    generator_known(scene, frame);
    for (unsigned i = 0; i < SETTLED; i++) {
        expect_sound(scene, "caller ");
    }
    cr_expect_not(call_pairs_seen(scene->pairs, code, scene->for_iter), SAID(scene));
}

Test(outside_frames, a_generator_that_names_another_caller_is_not_called_from_here) {
    datastack_each(of_another);
}

static void caller_gone(struct datastack_scene *scene) {
    static uint8_t again[SCENE_CHUNK_BYTES];
    uint64_t caller = push_resuming(scene, 0, 0);
    uint64_t frame = generator_put(scene, 0, GENERATOR_NOP, caller);
    const struct code *code = code_cache_find(scene->codes, CALLER)->code;
    generator_known(scene, frame);
    memcpy(again, scene->chunks[0], sizeof again);
    scene->image.again = scene->chunk_extents[0];
    scene->image.again.bytes = again;
    datastack_word_put(scene, again + (caller - SCENE_CHUNK_AT) + scene->layout->iframe.executable,
                       LEAF);
    expect_torn(scene);
    cr_expect_not(call_pairs_seen(scene->pairs, code, scene->for_iter), SAID(scene));
    cr_expect_eq(datastack_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    expect_names(scene, "caller ");
    datastack_word_put(scene, again + (caller - SCENE_CHUNK_AT) + scene->layout->iframe.executable,
                       CALLER);
    settle(scene);
    expect_sound(scene, "caller generator ");
}

Test(outside_frames, a_link_to_a_frame_that_has_made_room_for_another_counts_for_nothing) {
    datastack_each(caller_gone);
}

static void yielded(struct datastack_scene *scene) {
    if (scene->layout->resume_slot != 0) {
        uint64_t caller = push_resuming(scene, 0, 0);
        uint64_t frame = generator_put(scene, 0, GENERATOR_YIELD, 0);
        state_set(scene, 0, scene->layout->frame_executing - 1);
        expect_torn(scene); /* nobody saw it run there */
        cr_expect_eq(datastack_walk(scene, false).outcome, WALK_DONE, SAID(scene));
        expect_names(scene, "caller ");
        state_set(scene, 0, scene->layout->frame_executing);
        previous_set(scene, frame, caller);
        settle(scene);
        state_set(scene, 0, scene->layout->frame_executing - 1);
        previous_set(scene, frame, 0);
        expect_sound(scene, "caller generator ");
    }
}

Test(outside_frames, a_generator_that_has_just_yielded_is_shown_where_it_was_seen_to_run) {
    datastack_each(yielded);
}

static void dead(struct datastack_scene *scene) {
    if (scene->layout->frame_model == FRAME_MODEL_EXECUTABLE_NULL) {
        uint64_t caller = push_resuming(scene, 0, 0);
        uint64_t frame = generator_put(scene, 0, GENERATOR_NOP, caller);
        settle(scene);
        generator_put(scene, 0, GENERATOR_YIELD, 0);
        datastack_word_put(scene, heap_at(scene, frame) + scene->layout->iframe.executable, 1);
        state_set(scene, 0, scene->layout->frame_executing + 1);
        expect_sound(scene, "caller generator ");
        cr_expect_eq(scene->frames[1].unit, GENERATOR_YIELD, SAID(scene));
        datastack_word_put(scene, heap_at(scene, frame) + scene->layout->iframe.instr,
                           LEAF + scene->layout->code.bytecode);
        expect_sound(scene, "caller "); /* its instruction is no known generator's */
        generator_put(scene, 0, GENERATOR_YIELD, 0);
        datastack_word_put(scene, heap_at(scene, frame) + scene->layout->iframe.executable, 1);
        state_set(scene, 0, scene->layout->frame_executing + 1);
        memset(scene->stack.generators, 0, sizeof scene->stack.generators);
        expect_sound(scene, "caller "); /* nor is that of one that was not seen */
    }
}

Test(outside_frames, a_dead_generator_is_known_by_its_instruction) {
    datastack_each(dead);
}

static void named_current(struct datastack_scene *scene) {
    uint64_t caller = push_calling(scene, 0);
    uint64_t by = has_entry_frames(scene) ? entry_put(scene, 0, caller) : caller;
    uint64_t outer = generator_put(scene, 0, GENERATOR_NOP, by);
    uint64_t inner = generator_put(scene, 1, GENERATOR_YIELD, outer);
    datastack_current_set(scene, outer);
    settle(scene);
    expect_sound(scene, "caller generator ");
    cr_expect_eq(scene->frames[1].header.address, outer, SAID(scene));
    datastack_current_set(scene, inner);
    settle(scene);
    expect_sound(scene, "caller generator generator ");
    cr_expect_eq(scene->frames[1].header.address, outer, SAID(scene));
    cr_expect_eq(scene->frames[2].header.address, inner, SAID(scene));
    state_set(scene, 0, scene->layout->frame_executing + 1);
    expect_sound(scene, "caller "); /* the way there leads through one that does not run */
}

Test(outside_frames, what_the_thread_state_names_is_followed_from_callee_to_caller) {
    datastack_each(named_current);
}

static void lacking(struct datastack_scene *scene) {
    push_calling(scene, 0);
    datastack_current_set(scene, 0x500000);
    struct walk_result result = datastack_walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_OUTSIDE, SAID(scene));
    cr_expect_eq(result.need, 0x500000, SAID(scene));
    cr_expect_eq(datastack_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    expect_names(scene, "caller ");
    push_leaf(scene, 0x510000);
    result = datastack_walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_OUTSIDE, SAID(scene));
    cr_expect_eq(result.need, 0x510000, SAID(scene));
    cr_expect_eq(datastack_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    expect_names(scene, "caller ");
    cr_expect(scene->stack.by_mismatch, SAID(scene));
}

Test(outside_frames, a_frame_that_the_picture_lacks_is_asked_for) {
    datastack_each(lacking);
}

static void through_generators(struct datastack_scene *scene) {
    uint64_t caller = push_resuming(scene, 0, 0);
    uint64_t outer = generator_put(scene, 0, GENERATOR_NOP, caller);
    uint64_t inner = generator_put(scene, 1, GENERATOR_NOP, outer);
    push_leaf(scene, inner);
    settle(scene);
    expect_sound(scene, "caller generator generator leaf ");
    generator_known(scene, outer);
    generator_known(scene, inner);
    cr_expect_eq(scene->frames[1].header.address, outer, SAID(scene));
    cr_expect_eq(scene->frames[2].header.address, inner, SAID(scene));
    cr_expect_not(scene->frames[3].outside, SAID(scene));
    state_set(scene, 1, scene->layout->frame_executing - 1); /* it has yielded since */
    previous_set(scene, inner, 0);
    expect_sound(scene, "caller generator generator leaf ");
}

Test(outside_frames, a_frame_called_from_a_generator_brings_that_along) {
    datastack_each(through_generators);
}

static void named_middle(struct datastack_scene *scene) {
    uint64_t caller = push_resuming(scene, 0, 0);
    uint64_t frame = generator_put(scene, 0, GENERATOR_NOP, caller);
    push_leaf(scene, frame);
    datastack_current_set(scene, frame); /* it has called since the thread state was read */
    settle(scene);
    expect_sound(scene, "caller generator leaf ");
}

Test(outside_frames, a_frame_of_the_datastack_is_not_asked_for_as_one_outside) {
    datastack_each(named_middle);
}

static void through_strangers(struct datastack_scene *scene) {
    push_resuming(scene, 0, 0);
    uint64_t frame = generator_put(scene, 0, GENERATOR_NOP, 0);
    state_set(scene, 0, scene->layout->frame_executing - 1);
    push_leaf(scene, frame);
    expect_torn(scene);
    cr_expect_eq(datastack_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    expect_names(scene, "caller ");
    cr_expect(scene->stack.by_mismatch, SAID(scene));
}

Test(outside_frames, a_frame_called_from_a_generator_that_was_never_seen_here_is_torn) {
    datastack_each(through_strangers);
}

static void through_c(struct datastack_scene *scene) {
    if (has_entry_frames(scene)) {
        uint64_t caller = push_calling(scene, 0);
        uint64_t first = entry_put(scene, 0, caller);
        uint64_t second = entry_put(scene, 1, first);
        uint64_t leaf = push_leaf(scene, first);
        expect_sound(scene, "caller leaf "); /* nothing to be proven */
        cr_expect(stack_on_c_stack(&scene->stack, first), SAID(scene));
        cr_expect_not(stack_on_c_stack(&scene->stack, SCENE_HEAP_AT), SAID(scene));
        datastack_frame_put(scene, scene->chunks[0] + (leaf - SCENE_CHUNK_AT), leaf, LEAF,
                            LEAF_RETURN, datastack_executing(scene), second);
        expect_sound(scene, "caller leaf ");
        memset(scene->c_stack, 0xff, sizeof scene->c_stack);
        expect_sound(scene, "caller leaf "); /* what is there by now is another thing */
    }
}

Test(outside_frames, a_frame_called_from_c_code_is_alive) {
    datastack_each(through_c);
}

/* Whether the walk used the C stack of the picture. */
static bool c_stack_used(struct datastack_scene *scene) {
    return (datastack_walk(scene, true).outside_used & 1U << 1) != 0;
}

static void through_c_again(struct datastack_scene *scene) {
    if (has_entry_frames(scene)) {
        uint64_t caller = push_calling(scene, 0);
        uint64_t first = entry_put(scene, 0, caller);
        uint64_t leaf = push_leaf(scene, first);
        cr_expect(c_stack_used(scene), SAID(scene));
        expect_sound(scene, "caller leaf ");
        scene->image.outside_count = 1; /* the C stack is not read any more */
        cr_expect_not(c_stack_used(scene), SAID(scene));
        expect_sound(scene, "caller leaf ");
        scene->end = leaf; /* it ended, and C code calls it anew */
        push_leaf(scene, first + 64);
        struct walk_result result = datastack_walk(scene, true);
        cr_expect_eq(result.outcome, WALK_NEED_OUTSIDE, SAID(scene));
        cr_expect_eq(result.need, first + 64, SAID(scene));
    }
}

Test(outside_frames, a_call_from_c_code_that_lasts_is_looked_at_once) {
    datastack_each(through_c_again);
}

static void unrelated(struct datastack_scene *scene) {
    uint64_t first = push_calling(scene, 0);
    uint64_t second = push_calling(scene, first);
    push_leaf(scene, first); /* left over: it was called from another frame */
    expect_sound(scene, "caller caller ");
    scene->end = second;
    push_calling(scene, first);
    push_leaf(scene, 0);
    expect_sound(scene, "caller caller ");
    scene->end = second;
    push_calling(scene, first);
    push_leaf(scene, SCENE_CHUNK_AT + 3000); /* in the datastack, and no frame of it */
    expect_sound(scene, "caller caller ");
}

Test(outside_frames, a_frame_that_names_another_one_of_the_datastack_is_dead) {
    datastack_each(unrelated);
}

static void circle(struct datastack_scene *scene) {
    uint64_t caller = push_resuming(scene, 0, 0);
    uint64_t first = object_at(0) + scene->layout->generator.iframe;
    uint64_t second = generator_put(scene, 1, GENERATOR_NOP, first);
    generator_put(scene, 0, GENERATOR_NOP, second);
    generator_known(scene, first);
    generator_known(scene, second);
    datastack_current_set(scene, first);
    for (unsigned i = 0; i < SETTLED; i++) {
        expect_sound(scene, "caller ");
    }
    datastack_current_set(scene, 0);
    push_leaf(scene, first);
    expect_torn(scene);
    cr_expect_eq(datastack_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    expect_names(scene, "caller ");
    previous_set(scene, first, first);
    expect_torn(scene);
    if (has_entry_frames(scene)) {
        entry_put(scene, 0, entry_put(scene, 1, ENTRY_AT));
        previous_set(scene, first, ENTRY_AT);
        expect_torn(scene);
    }
    previous_set(scene, first, caller);
    settle(scene);
    expect_sound(scene, "caller generator leaf ");
}

Test(outside_frames, a_circle_ends) {
    datastack_each(circle);
}

static void no_room(struct datastack_scene *scene) {
    uint64_t caller = push_resuming(scene, 0, 0);
    generator_known(scene, generator_put(scene, 0, GENERATOR_NOP, caller));
    settle(scene);
    scene->stack.capacity = 1;
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    expect_names(scene, "caller ");
    cr_expect(scene->stack.cut, SAID(scene));
}

Test(outside_frames, a_stack_without_room_is_cut) {
    datastack_each(no_room);
}
