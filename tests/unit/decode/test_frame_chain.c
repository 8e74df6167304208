#include <criterion/criterion.h>
#include <string.h>

#include "chain_scene.h"
#include "daemon/decode/frame_walk.h"

static void living(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, CALLER, AT_CALL, scene_at(0));
    scene_put(scene, 2, LEAF, AT_NOP, scene_at(1));
    cr_expect_eq(scene_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    scene_expect_names(scene, "caller caller leaf ");
    scene_settle(scene);
    scene_expect_sound(scene, "caller caller leaf ");
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(scene->frames[i].header.address, scene_at(i), SAID(scene));
        cr_expect_eq(scene->frames[i].unit, i < 2 ? AT_CALL : AT_NOP, SAID(scene));
    }
}

Test(frame_chain, a_living_chain_is_the_stack) {
    scene_each(living);
}

static void unbelieved(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
    /* Seen once: look again. */
    cr_expect_eq(scene_walk(scene, true).outcome, WALK_TORN, SAID(scene));
    scene_settle(scene);
    scene_put(scene, 0, CALLER, AT_NOP, 0);
    scene_put(scene, 2, OTHER, AT_NOP, scene_at(0));
    scene_expect_torn(scene); /* at an instruction that calls nothing */
}

Test(frame_chain, a_call_is_believed_once_it_was_seen_several_times) {
    scene_each(unbelieved);
}

static void handed_on(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
    scene_settle(scene);
    cr_expect_eq(frame_walk(scene->layout, scene->codes, scene->pairs, &scene->image, SCENE_NOW,
                            true, &scene->stack)
                     .outcome,
                 WALK_DONE, SAID(scene));
    scene_expect_names(scene, "caller leaf ");
}

Test(frame_chain, frame_walk_hands_it_on) {
    scene_each(handed_on);
}

static void no_frames(struct chain_scene *scene) {
    scene_leaf_set(scene, 0);
    scene_expect_sound(scene, "");
    scene_put(scene, 0, CALLER, AT_NOP, 0);
    scene_expect_sound(scene, "caller ");
    scene_leaf_set(scene, 0);
    scene_expect_sound(scene, "");
}

Test(frame_chain, a_thread_that_runs_nothing_has_no_stack) {
    scene_each(no_frames);
}

static void just_begun(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, LEAF, -1, scene_at(0));
    scene_settle(scene);
    scene_expect_sound(scene, "caller leaf ");
    cr_expect(scene->frames[1].just_pushed, SAID(scene));
    cr_expect_eq(scene->frames[1].unit, 0, SAID(scene));
    scene_state_set(scene, 1, SCENE_SUSPENDED); /* made, and not executing yet */
    scene_expect_sound(scene, "caller leaf ");
}

Test(frame_chain, a_frame_that_has_just_begun_is_part_of_it) {
    scene_each(just_begun);
}

static void unwinding(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, CALLER, AT_CALL, scene_at(0));
    scene_state_set(scene, 1, SCENE_UNWINDING);
    scene_put(scene, 2, LEAF, AT_NOP, scene_at(1));
    scene_settle(scene);
    scene_expect_sound(scene, "caller caller leaf ");
}

Test(frame_chain, a_frame_that_looks_for_a_handler_runs) {
    scene_each(unwinding);
}

static void zombie(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, CALLER, AT_CALL, scene_at(0));
    scene_put(scene, 2, LEAF, AT_NOP, scene_at(1));
    scene_settle(scene);
    scene_die(scene, 2, LEAF_RETURN, scene_at(1));
    scene_expect_sound(scene, "caller caller leaf ");
    cr_expect_eq(scene->frames[2].unit, LEAF_RETURN, SAID(scene));
    scene_unit_set(scene, 1, BEHIND_CALL); /* it has gone on since */
    scene_expect_sound(scene, "caller caller leaf ");
    cr_expect_eq(scene->frames[1].unit, AT_CALL, SAID(scene));
}

Test(frame_chain, a_dead_leaf_that_its_code_keeps_names_its_caller) {
    scene_each(zombie);
}

static void zombie_elsewhere(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
    scene_settle(scene);
    scene_put(scene, 2, CALLER, AT_CALL, scene_at(0));
    scene_settle(scene);
    scene_die(scene, 1, LEAF_RETURN, scene_at(2));
    scene_leaf_set(scene, scene_at(1));
    scene_expect_sound(scene, "caller caller leaf ");
    cr_expect_eq(scene->frames[1].header.address, scene_at(2), SAID(scene));
}

Test(frame_chain, a_dead_leaf_that_its_code_keeps_names_its_last_caller) {
    scene_each(zombie_elsewhere);
}

static void freed(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, RECURSIVE, AT_CALL, scene_at(0));
    scene_put(scene, 2, RECURSIVE, AT_CALL, scene_at(1));
    scene_put(scene, 3, RECURSIVE, AT_CALL, scene_at(2));
    scene_settle(scene);
    scene_die(scene, 3, AT_RETURN, 0);
    scene_die(scene, 2, AT_RETURN, scene_at(3)); /* freed before: next in the list of the free */
    scene_leaf_set(scene, scene_at(2));
    scene_expect_sound(scene, "caller recursive recursive ");
    cr_expect_eq(scene->frames[2].header.address, scene_at(2), SAID(scene));
    scene_die(scene, 2, AT_RETURN, 0); /* the first one that was freed */
    scene_expect_sound(scene, "caller recursive recursive ");
    scene_die(scene, 2, AT_RETURN, scene_at(4)); /* one that is not in the picture */
    struct walk_result result = scene_walk(scene, true);
    if (result.outcome == WALK_NEED_OUTSIDE) {
        cr_expect_eq(result.need, scene_at(4), SAID(scene));
        scene_put(scene, 4, RECURSIVE, AT_CALL, 0);
        scene_die(scene, 4, AT_RETURN, scene_at(3));
        scene_leaf_set(scene, scene_at(2));
    }
    scene_expect_sound(scene, "caller recursive recursive ");
}

Test(frame_chain, a_dead_frames_link_into_the_free_list_is_not_followed) {
    scene_each(freed);
}

static void freed_together(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, RECURSIVE, AT_CALL, scene_at(0));
    scene_put(scene, 2, RECURSIVE, AT_CALL, scene_at(1));
    scene_put(scene, 3, LEAF, AT_NOP, scene_at(2));
    scene_settle(scene);
    scene_die(scene, 3, LEAF_RETURN, scene_at(2));
    scene_die(scene, 2, AT_RETURN, scene_at(4));
    scene_put(scene, 4, OTHER, AT_CALL, scene_at(0));
    scene_leaf_set(scene, scene_at(3));
    scene_expect_sound(scene, "caller recursive recursive leaf ");
}

Test(frame_chain, the_dead_are_followed_to_the_living) {
    scene_each(freed_together);
}

static void reused(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, RECURSIVE, AT_CALL, scene_at(0));
    scene_put(scene, 2, RECURSIVE, AT_CALL, scene_at(1));
    scene_put(scene, 3, LEAF, AT_NOP, scene_at(2));
    scene_settle(scene);
    scene_put(scene, 3, OTHER, AT_CALL, 0); /* in the leaf's memory; ended at once */
    scene_die(scene, 3, AT_RETURN, 0);
    scene_expect_torn(scene);
}

Test(frame_chain, what_is_remembered_of_other_code_in_a_frames_memory_is_not_used) {
    scene_each(reused);
}

static void caller_reused(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, RECURSIVE, AT_CALL, scene_at(0));
    scene_put(scene, 2, RECURSIVE, AT_CALL, scene_at(1));
    scene_settle(scene);
    scene_put(scene, 1, OTHER, AT_CALL, scene_at(0));
    scene_die(scene, 2, AT_RETURN, 0);
    scene_leaf_set(scene, scene_at(2));
    scene_expect_sound(scene, "caller recursive ");
    cr_expect_eq(scene->frames[1].header.address, scene_at(2), SAID(scene));
}

Test(frame_chain, a_remembered_caller_with_other_code_is_not_used) {
    scene_each(caller_reused);
}

static void circle(struct chain_scene *scene) {
    for (unsigned round = 0; round < 5; round++) {
        scene_put(scene, 0, RECURSIVE, AT_CALL, scene_at(0));
        scene_expect_torn(scene);
        scene_put(scene, 0, RECURSIVE, AT_CALL, scene_at(1));
        scene_put(scene, 1, RECURSIVE, AT_CALL, scene_at(0));
        scene_expect_torn(scene);
        scene_put(scene, 2, LEAF, AT_NOP, scene_at(1));
        scene_expect_torn(scene);
    }
    scene_die(scene, 1, AT_RETURN, scene_at(0));
    scene_leaf_set(scene, scene_at(1));
    scene_expect_torn(scene);
}

Test(frame_chain, a_circle_ends) {
    scene_each(circle);
}

static void circle_inside(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, RECURSIVE, AT_CALL, scene_at(0));
    scene_put(scene, 2, RECURSIVE, AT_CALL, scene_at(1));
    scene_put(scene, 3, RECURSIVE, AT_CALL, scene_at(2));
    scene_settle(scene);
    scene_back_set(scene, 2, scene_at(3)); /* the two have changed places while they were read */
    scene_put(scene, 4, RECURSIVE, AT_CALL, scene_at(1));
    scene_leaf_set(scene, scene_at(3));
    scene_expect_sound(scene, "caller recursive recursive recursive ");
    cr_expect_eq(scene->frames[3].header.address, scene_at(3), SAID(scene));
}

Test(frame_chain, what_leads_into_a_circle_hangs_under_what_runs) {
    scene_each(circle_inside);
}

static void unknown_code(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, 0x20000, AT_NOP, scene_at(0));
    struct walk_result result = scene_walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_CODE, SAID(scene));
    cr_expect_eq(result.need, 0x20000, SAID(scene));
    result = scene_walk(scene, false);
    cr_expect_eq(result.outcome, WALK_NEED_CODE, SAID(scene)); /* it needs no other picture */
    cr_assert_eq(code_cache_put(scene->codes, 0x20000, NULL, SCENE_NOW), STATUS_OK);
    scene_expect_torn(scene); /* no code is there: no frame */

    scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
    scene_settle(scene);
    code_cache_find(scene->codes, CALLER)->believed_until_ns = SCENE_NOW - 1;
    scene->stack.last_depth = 0; /* as for a new batch, in which everything is looked up again */
    result = scene_walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_CODE, SAID(scene));
    cr_expect_eq(result.need, CALLER, SAID(scene));
}

Test(frame_chain, code_that_is_not_known_or_not_believed_is_asked_for) {
    scene_each(unknown_code);
}

static void senseless(struct chain_scene *scene) {
    const uint64_t codes[] = {0, LEAF + 1};
    for (unsigned i = 0; i < 2; i++) {
        scene_put(scene, 0, codes[i], AT_NOP, 0);
        scene_expect_torn(scene);
        scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
        scene_expect_torn(scene); /* as the caller */
    }
    const int32_t units[] = {LEAF_BEHIND_LAST, -2, INT32_MAX / 2, INT32_MIN};
    for (unsigned i = 0; i < 4; i++) {
        scene_put(scene, 0, LEAF, units[i], 0);
        scene_expect_torn(scene);
    }
    if (scene->layout->instr_scale == 1) {
        const int32_t within = 1;
        scene_put(scene, 0, LEAF, AT_NOP, 0);
        memcpy(scene->heap[0] + scene->layout->frame.lasti, &within, sizeof within);
        scene_expect_torn(scene);
    }
}

Test(frame_chain, what_cannot_be_a_frame_of_its_code_is_none) {
    scene_each(senseless);
}

static void unknown_leaf(struct chain_scene *scene) {
    scene_leaf_set(scene, scene_at(3));
    struct walk_result result = scene_walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_OUTSIDE, SAID(scene));
    cr_expect_eq(result.need, scene_at(3), SAID(scene));
    cr_expect_eq(scene_walk(scene, false).outcome, WALK_TORN, SAID(scene));
    scene_put(scene, 3, CALLER, AT_NOP, 0);
    scene_held_set(scene, 3, false);
    result = scene_walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_OUTSIDE, SAID(scene));
    cr_expect_eq(result.need, scene_at(3), SAID(scene));
    scene_leaf_set(scene, scene_at(3) + 1);
    scene_expect_torn(scene); /* no frame's address: not worth a look */
}

Test(frame_chain, a_leaf_that_the_picture_lacks_is_asked_for) {
    scene_each(unknown_leaf);
}

static void unknown_caller(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, LEAF, AT_NOP, scene_at(3));
    struct walk_result result = scene_walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_OUTSIDE, SAID(scene));
    cr_expect_eq(result.need, scene_at(3), SAID(scene));
    cr_expect_eq(scene_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    scene_expect_names(scene, "leaf "); /* nothing is known to call it */
    cr_expect(scene->stack.by_mismatch, SAID(scene));
    scene_back_set(scene, 1, scene_at(3) + 1);
    scene_expect_torn(scene);
    scene_put(scene, 3, CALLER, AT_CALL, scene_at(0));
    scene_put(scene, 1, LEAF, AT_NOP, scene_at(3));
    scene_settle(scene);
    scene_expect_sound(scene, "caller caller leaf ");
    scene_held_set(scene, 3, false);
    result = scene_walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_OUTSIDE, SAID(scene));
    cr_expect_eq(result.need, scene_at(3), SAID(scene));
}

Test(frame_chain, a_caller_that_the_picture_lacks_is_asked_for) {
    scene_each(unknown_caller);
}

/* CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR: Include/code.h. */
static const uint32_t generator_flags[] = {0x20, 0x80, 0x200};

static void generator(struct chain_scene *scene) {
    for (unsigned i = 0; i < 3; i++) {
        scene->generator->flags = generator_flags[i];
        scene_put(scene, 0, CALLER, AT_FOR, 0);
        scene_put(scene, 1, GENERATOR, AT_NOP, scene_at(0));
        scene_settle(scene);
        scene_expect_sound(scene, "caller generator ");
        scene_state_set(scene, 1, SCENE_SUSPENDED); /* it has yielded since: f_back is cleared */
        scene_unit_set(scene, 1, GENERATOR_YIELD);
        scene_back_set(scene, 1, 0);
        scene_expect_sound(scene, "caller generator ");
        scene_unit_set(scene, 0, AT_RETURN);
        scene_expect_sound(scene, "caller generator ");
        cr_expect_eq(scene->frames[0].unit, AT_FOR, SAID(scene));
        scene_die(scene, 1, GENERATOR_RETURN, 0);
        scene_expect_sound(scene, "caller generator ");
    }
}

Test(frame_chain, a_generator_that_has_yielded_is_shown_where_it_ran) {
    scene_each(generator);
}

static void generator_alone(struct chain_scene *scene) {
    for (unsigned i = 0; i < 3; i++) {
        scene->generator->flags = generator_flags[i];
        scene_put(scene, 0, GENERATOR, AT_NOP, 0);
        scene_expect_torn(scene);
        scene_state_set(scene, 0, SCENE_SUSPENDED);
        scene_expect_torn(scene);
    }
}

Test(frame_chain, a_generator_without_a_caller_is_no_root) {
    scene_each(generator_alone);
}

static void references(struct chain_scene *scene) {
    const uint64_t counts[] = {UINT32_MAX, INT32_MAX, (UINT64_C(1) << 40) + (1U << 31), UINT64_MAX};
    for (unsigned i = 0; i < 4; i++) {
        scene_put(scene, 0, CALLER, AT_CALL, 0);
        scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
        scene_references_set(scene, 1, counts[i]);
        scene_expect_torn(scene);
        scene_references_set(scene, 0, counts[i]);
        scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
        scene_expect_torn(scene);
    }
    scene_references_set(scene, 0, 1000000);
    scene_references_set(scene, 1, 1000000);
    scene_settle(scene);
    scene_expect_sound(scene, "caller leaf ");
    scene_references_set(scene, 1, UINT32_MAX);
    scene_expect_torn(scene); /* though the call is known */
    scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
    scene_references_set(scene, 0, UINT32_MAX);
    scene_expect_torn(scene);
}

Test(frame_chain, what_has_an_absurd_number_of_references_is_no_frame) {
    scene_each(references);
}

static void orphan(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, RECURSIVE, AT_CALL, scene_at(0));
    scene_put(scene, 2, RECURSIVE, AT_CALL, scene_at(1));
    scene_put(scene, 3, LEAF, AT_NOP, scene_at(2));
    scene_settle(scene);
    scene_put(scene, 4, LEAF, AT_NOP, 0); /* never seen running: no caller to remember */
    scene_die(scene, 4, LEAF_RETURN, 0);
    scene_expect_sound(scene, "caller recursive recursive leaf ");
    cr_expect_eq(scene->frames[3].header.address, scene_at(4), SAID(scene));
}

Test(frame_chain, what_has_lost_its_caller_hangs_under_the_innermost_that_calls_such) {
    scene_each(orphan);
}

static void deep_orphan(struct chain_scene *scene) {
    scene_deepen(scene);
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
    scene_settle(scene);
    scene_put(scene, 2, LEAF, AT_NOP, 0);
    scene_die(scene, 2, LEAF_RETURN, 0);
    cr_expect_eq(scene_walk(scene, true).outcome, WALK_TORN, SAID(scene));
    cr_expect_eq(scene_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    scene_expect_names(scene, "caller leaf ");
    cr_expect_not(scene->stack.by_mismatch, SAID(scene));
}

Test(frame_chain, in_a_deep_stack_it_is_looked_for_again_first) {
    scene_each(deep_orphan);
}

static void branches(struct chain_scene *scene) {
    scene_put(scene, 5, OTHER, AT_CALL, 0);
    scene_put(scene, 1, RECURSIVE, AT_CALL, scene_at(5));
    scene_put(scene, 2, RECURSIVE, AT_CALL, scene_at(1));
    scene_put(scene, 3, LEAF, AT_NOP, scene_at(2));
    scene_settle(scene);
    scene_held_set(scene, 5, false);
    scene_put(scene, 0, CALLER, AT_NOP, 0);
    scene_back_set(scene, 1, scene_at(0)); /* a caller that calls nothing */
    scene_die(scene, 3, LEAF_RETURN, scene_at(1));
    scene_leaf_set(scene, scene_at(3));
    cr_expect_eq(scene_walk(scene, false).outcome, WALK_DONE, SAID(scene));
}

Test(frame_chain, no_frame_is_in_a_stack_twice) {
    scene_each(branches);
}

static void torn_pair(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, OTHER, AT_CALL, 0);
    for (unsigned i = 0; i < 1000; i++) {
        scene_put(scene, 2, LEAF, AT_NOP, scene_at(0));
        cr_assert_eq(scene_walk(scene, false).outcome, WALK_DONE, SAID(scene));
        scene_put(scene, 3, RECURSIVE, AT_NOP, scene_at(1));
        cr_assert_eq(scene_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    }
    scene_put(scene, 2, LEAF, AT_NOP, scene_at(1)); /* torn: OTHER never calls it */
    for (unsigned i = 0; i < 5; i++) {
        cr_expect_eq(scene_walk(scene, true).outcome, WALK_TORN, SAID(scene));
    }
}
Test(frame_chain, a_few_torn_pictures_among_many_sound_ones_prove_nothing) {
    scene_each(torn_pair);
}
