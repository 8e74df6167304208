#include <criterion/criterion.h>

#include "chain_scene.h"

static void too_deep(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, RECURSIVE, AT_CALL, scene_at(0));
    scene_put(scene, 2, RECURSIVE, AT_CALL, scene_at(1));
    scene_put(scene, 3, LEAF, AT_NOP, scene_at(2));
    scene_settle(scene);
    scene_expect_sound(scene, "caller recursive recursive leaf ");
    scene->stack.capacity = 2;
    cr_expect_eq(scene_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect(scene->stack.cut, SAID(scene));
    scene_expect_names(scene, "caller recursive ");
    scene->stack.capacity = SCENE_CAPACITY;
    scene_expect_sound(scene, "caller recursive recursive leaf ");
}

Test(stack, a_stack_without_room_is_cut_at_its_innermost_end) {
    scene_each(too_deep);
}

static void as_deep_as_can_be(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    for (unsigned i = 1; i < SCENE_CAPACITY; i++) {
        scene_put(scene, i, RECURSIVE, AT_CALL, scene_at(i - 1));
    }
    scene_settle(scene);
    cr_expect_eq(scene->stack.depth, SCENE_CAPACITY, SAID(scene));
    cr_expect_not(scene->stack.cut, SAID(scene));
    scene_put(scene, SCENE_CAPACITY, RECURSIVE, AT_CALL, scene_at(SCENE_CAPACITY - 1));
    cr_expect_eq(scene_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, SCENE_CAPACITY, SAID(scene));
    cr_expect(scene->stack.cut, SAID(scene));
}

Test(stack, a_stack_that_just_fits_is_whole) {
    scene_each(as_deep_as_can_be);
}

static void again(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, CALLER, AT_CALL, scene_at(0));
    scene_put(scene, 2, LEAF, AT_NOP, scene_at(1));
    cr_expect_eq(scene_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.same, 0, SAID(scene));
    scene_settle(scene);
    scene_expect_sound(scene, "caller caller leaf ");
    cr_expect_eq(scene->stack.same, 3, SAID(scene));
    scene_unit_set(scene, 2, LEAF_RETURN);
    scene_expect_sound(scene, "caller caller leaf ");
    cr_expect_eq(scene->stack.same, 2, SAID(scene));
    scene_leaf_set(scene, scene_at(1));
    scene_expect_sound(scene, "caller caller ");
    cr_expect_eq(scene->stack.same, 2, SAID(scene));
    cr_expect_eq(scene->stack.last_depth, 2, SAID(scene));
}

Test(stack, says_which_frames_are_those_of_the_last_walk) {
    scene_each(again);
}
