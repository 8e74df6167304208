#include <criterion/criterion.h>

#include "datastack_scene.h"

static uint64_t push_chain(struct datastack_scene *scene) {
    uint64_t first = datastack_push(scene, CALLER, CALLER_CALL, 2, 0);
    uint64_t second = datastack_push(scene, CALLER, CALLER_CALL, 2, first);
    return datastack_push(scene, LEAF, LEAF_NOP + 0, datastack_executing(scene), second);
}

static void living(struct datastack_scene *scene) {
    push_chain(scene);
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_assert_eq(scene->stack.depth, 3, SAID(scene));
    cr_expect_str_eq(scene->frames[0].code->function, "caller");
    cr_expect_str_eq(scene->frames[1].code->function, "caller");
    cr_expect_str_eq(scene->frames[2].code->function, "leaf");
    cr_expect_eq(scene->frames[1].unit, CALLER_CALL);
    cr_expect_not(scene->stack.cut || scene->stack.by_mismatch);
}

Test(frame_walk, a_living_chain_is_the_stack) {
    datastack_each(living);
}

static void returned(struct datastack_scene *scene) {
    uint64_t first = datastack_push(scene, CALLER, CALLER_CALL, 2, 0);
    datastack_push(scene, LEAF, LEAF_RETURN, 0, first);
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 1, SAID(scene));
}

Test(frame_walk, a_frame_that_has_returned_is_dead) {
    datastack_each(returned);
}

static void returning(struct datastack_scene *scene) {
    uint64_t first = datastack_push(scene, CALLER, CALLER_CALL, 2, 0);
    datastack_push(scene, LEAF, LEAF_RETURN, datastack_executing(scene), first);
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 2, SAID(scene));
}

Test(frame_walk, a_frame_about_to_return_is_alive) {
    datastack_each(returning);
}

static void cleared(struct datastack_scene *scene) {
    uint64_t first = datastack_push(scene, CALLER, CALLER_CALL, 2, 0);
    uint64_t second = datastack_push(scene, LEAF, LEAF_NOP, datastack_executing(scene), first);
    datastack_word_put(
        scene, scene->chunks[0] + (second - SCENE_CHUNK_AT) + scene->layout->iframe.executable, 1);
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 1, SAID(scene));
}

Test(frame_walk, a_frame_without_code_is_dead) {
    datastack_each(cleared);
}

static void moved_to_heap(struct datastack_scene *scene) {
    if (scene->layout->frame_model == FRAME_MODEL_EXECUTABLE_NULL) {
        uint64_t first = datastack_push(scene, CALLER, CALLER_CALL, 2, 0);
        datastack_push(scene, GENERATOR, GENERATOR_NOP, 2, first);
        cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
        cr_expect_eq(scene->stack.depth, 1, SAID(scene));
    }
}

Test(frame_walk, a_generators_frame_behind_its_start_is_not_in_the_datastack) {
    datastack_each(moved_to_heap);
}

static void died(struct datastack_scene *scene) {
    if (scene->layout->frame_model == FRAME_MODEL_STACKTOP) {
        uint64_t first = datastack_push(scene, CALLER, 0, -1, 0);
        uint64_t second = datastack_push(scene, CALLER, CALLER_CALL, 2, first);
        datastack_push(scene, CALLER, CALLER_CALL, 2, second);
        datastack_current_set(scene, first);
        cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
        cr_expect_eq(scene->stack.depth, 1, SAID(scene));
        datastack_current_set(scene, second); /* it is not known who caught it: all may be alive */
        cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
        cr_expect_eq(scene->stack.depth, 3, SAID(scene));
    }
}

Test(frame_walk, corpses_of_an_exception_are_dropped_down_to_the_current_frame) {
    datastack_each(died);
}

static void generator(struct datastack_scene *scene) {
    const struct py_layout *layout = scene->layout;
    int32_t depth = layout->resume_slot == 0 ? -1 : 1 + layout->resume_slot;
    uint64_t caller = datastack_push(scene, CALLER, scene->for_iter, depth, 0);
    uint64_t frame = SCENE_GENERATOR_AT + layout->generator.iframe;
    uint8_t *bytes = scene->heap + (frame - SCENE_HEAP_AT);
    datastack_frame_put(scene, bytes, frame, GENERATOR, GENERATOR_NOP, datastack_executing(scene),
                        caller);
    bytes[layout->iframe.owner] = (uint8_t)layout->owner_generator;
    scene->heap[SCENE_GENERATOR_AT - SCENE_HEAP_AT + layout->generator.frame_state] =
        (uint8_t)layout->frame_executing;
    if (layout->resume_slot == 0) {
        scene->generators[0] = frame;
        scene->image.generator_count = 1;
    } else {
        datastack_word_put(scene,
                           scene->chunks[0] + (caller - SCENE_CHUNK_AT) +
                               layout->iframe.localsplus + layout->word_size,
                           SCENE_GENERATOR_AT);
    }
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_TORN,
                 SAID(scene)); /* seen once: look again */
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_TORN, SAID(scene));
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
        cr_assert_eq(scene->stack.depth, 2, SAID(scene));
        cr_expect_str_eq(scene->frames[1].code->function, "generator");
        cr_expect(scene->frames[1].outside);
    }
    /* It goes on in the generator of another caller: this one has none. */
    datastack_word_put(scene, bytes + layout->iframe.previous, caller + 0x40);
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 1, SAID(scene));
}

Test(frame_walk, a_generator_is_believed_once_its_call_was_seen_several_times) {
    datastack_each(generator);
}

static void second_chunk(struct datastack_scene *scene) {
    const struct py_layout *layout = scene->layout;
    uint64_t first = datastack_push(scene, CALLER, CALLER_CALL, 2, 0);
    scene->image.chunk_count = 2;
    scene->end = scene->chunk_extents[1].address + layout->chunk.data;
    datastack_push(scene, LEAF, LEAF_NOP, datastack_executing(scene), first);
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 2, SAID(scene));
    datastack_word_put(scene, scene->chunks[1] + layout->chunk.previous, 0x500000);
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 1, SAID(scene)); /* popped, and used by another thread */
}

Test(frame_walk, frames_go_on_in_the_next_chunk_while_it_follows) {
    datastack_each(second_chunk);
}

static void short_read(struct datastack_scene *scene) {
    uint64_t leaf = push_chain(scene);
    scene->chunk_extents[0].size = (uint32_t)(leaf - SCENE_CHUNK_AT);
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_NEED_CHUNKS, SAID(scene));
    cr_expect_eq(datastack_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 2, SAID(scene));
    cr_expect(scene->stack.by_mismatch);
}

Test(frame_walk, what_was_not_copied_is_asked_for_or_the_stack_is_torn) {
    datastack_each(short_read);
}

static void too_deep(struct datastack_scene *scene) {
    push_chain(scene);
    scene->stack.capacity = 2;
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 2, SAID(scene));
    cr_expect(scene->stack.cut);
}

Test(frame_walk, a_stack_without_room_is_cut) {
    datastack_each(too_deep);
}

static void unknown_code(struct datastack_scene *scene) {
    uint64_t first = datastack_push(scene, CALLER, CALLER_CALL, 2, 0);
    datastack_push(scene, 0x20000, 0, datastack_executing(scene), first);
    struct walk_result result = datastack_walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_CODE, SAID(scene));
    cr_expect_eq(result.need, 0x20000, SAID(scene));
    cr_assert_eq(code_cache_put(scene->codes, 0x20000, NULL, SCENE_NOW), STATUS_OK);
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 1, SAID(scene)); /* no code is there: no frame */
    code_cache_find(scene->codes, CALLER)->believed_until_ns = SCENE_NOW - 1;
    scene->stack.last_depth = 0;
    result = datastack_walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_CODE, SAID(scene));
    cr_expect_eq(result.need, CALLER, SAID(scene));
}

Test(frame_walk, code_that_is_not_known_or_not_believed_is_asked_for) {
    datastack_each(unknown_code);
}

/* A code object of which there is no telling any more what it was. */
static void lost_code(struct datastack_scene *scene) {
    uint64_t first = datastack_push(scene, CALLER, CALLER_CALL, 2, 0);
    uint64_t second = datastack_push(scene, 0x20000, 0, datastack_executing(scene), first);
    scene->stack.unknown_code = 0x20000;
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 1, SAID(scene));
    cr_expect(scene->stack.by_mismatch, SAID(scene));
    if (scene->layout->frame_model == FRAME_MODEL_STACKTOP) {
        /* The caller runs by itself: the rest is what an earlier call has left behind. */
        datastack_frame_put(scene, scene->chunks[0] + (first - SCENE_CHUNK_AT), first, CALLER,
                            CALLER_CALL, datastack_executing(scene), 0);
        datastack_current_set(scene, first);
        cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
        cr_expect_eq(scene->stack.depth, 1, SAID(scene));
        cr_expect_not(scene->stack.by_mismatch, SAID(scene));
    }
    scene->stack.unknown_code = 0;
    cr_expect_eq(datastack_walk(scene, true).need, 0x20000, SAID(scene));
    cr_expect_neq(second, first);
}

Test(frame_walk, a_stack_ends_where_it_cannot_be_told_whose_code_it_was) {
    datastack_each(lost_code);
}

/* The same bytes of a frame, and another code object at the address that they name. */
static void replaced_code(struct datastack_scene *scene) {
    push_chain(scene);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    }
    cr_expect_eq(scene->stack.same, 3, SAID(scene));
    code_cache_note_gone(scene->codes, LEAF);
    code_cache_pass(scene->codes);
    const uint64_t moment = code_cache_moment(scene->codes);
    code_cache_view(scene->codes, (struct code_moments){.begun = moment, .taken = moment});
    struct walk_result result = datastack_walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_CODE, SAID(scene));
    cr_expect_eq(result.need, LEAF, SAID(scene));
}

Test(frame_walk, frames_that_look_the_same_may_have_other_code) {
    datastack_each(replaced_code);
}

static void again(struct datastack_scene *scene) {
    uint64_t leaf = push_chain(scene);
    for (unsigned i = 0; i < 4; i++) { /* until its calls are proven */
        scene->stack.last_depth = 0;
        cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
        cr_expect_eq(scene->stack.same, 0, SAID(scene));
    }
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.same, 3, SAID(scene));
    uint64_t second = scene->frames[1].header.address;
    datastack_frame_put(scene, scene->chunks[0] + (leaf - SCENE_CHUNK_AT), leaf, LEAF, LEAF_RETURN,
                        datastack_executing(scene), second);
    cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 3, SAID(scene));
    cr_expect_eq(scene->stack.same, 2, SAID(scene));
}

Test(frame_walk, says_which_frames_are_those_of_the_last_walk) {
    datastack_each(again);
}

static void unproven(struct datastack_scene *scene) {
    push_chain(scene);
    cr_expect_eq(datastack_walk_once(scene, true).outcome, WALK_TORN, SAID(scene));
    cr_expect_eq(datastack_walk_once(scene, true).outcome, WALK_TORN, "the other pair");
    cr_expect_eq(datastack_walk_once(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, 3, SAID(scene));
    for (unsigned i = 0; i < 3; i++) {
        scene->stack.doubt_count = 0;
        scene->stack.last_depth = 0;
        cr_expect_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    }
    scene->stack.doubt_count = 0;
    scene->stack.last_depth = 0;
    cr_expect_eq(datastack_walk_once(scene, true).outcome, WALK_DONE, "proven by now");
}

Test(frame_walk, a_call_that_is_not_known_to_happen_is_looked_at_twice) {
    datastack_each(unproven);
}

static void of_two_moments(struct datastack_scene *scene) {
    uint64_t first = datastack_push(scene, CALLER, CALLER_CALL, 2, 0);
    uint64_t second = datastack_push(scene, CALLER, CALLER_CALL, datastack_executing(scene), first);
    for (unsigned i = 0; i < 100; i++) {
        scene->stack.last_depth = 0;
        cr_assert_eq(datastack_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    }
    datastack_push(scene, LEAF, LEAF_NOP, datastack_executing(scene), second);
    datastack_frame_put(scene, scene->chunks[0] + (second - SCENE_CHUNK_AT), second, CALLER,
                        CALLER_CALL, 2, first);
    scene->stack.doubt_count = 0;
    cr_expect_eq(datastack_walk_once(scene, true).outcome, WALK_TORN, SAID(scene));
    scene->stack.doubt_count = 0;
    cr_expect_eq(datastack_walk_once(scene, false).outcome, WALK_DONE, "the last one has to do");
    cr_expect_eq(scene->stack.depth, 3, SAID(scene));
}

Test(frame_walk, a_pair_that_never_occurs_asks_for_another_picture) {
    datastack_each(of_two_moments);
}
