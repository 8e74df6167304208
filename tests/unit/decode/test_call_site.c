#include <criterion/criterion.h>

#include "chain_scene.h"
#include "made_code.h"

static void gone_on(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
    scene_settle(scene);
    scene_put(scene, 0, CALLER, AT_FOR, 0);
    scene_put(scene, 2, OTHER, AT_NOP, scene_at(0));
    scene_settle(scene);

    scene_steady_set(scene, false);
    scene_leaf_set(scene, scene_at(1));
    scene_expect_sound(scene, "caller leaf ");
    cr_expect_eq(scene->frames[0].unit, AT_CALL, "it had called the other by then");
    scene_unit_set(scene, 0, AT_CALL);
    scene_leaf_set(scene, scene_at(2));
    scene_expect_sound(scene, "caller other ");
    cr_expect_eq(scene->frames[0].unit, AT_FOR, "it had gone round a loop");

    scene_put(scene, 3, CALLER, AT_CALL, 0);
    scene_put(scene, 2, OTHER, AT_NOP, scene_at(3));
    scene_settle(scene);
    scene_expect_sound(scene, "caller other ");
    cr_expect_eq(scene->frames[0].unit, AT_CALL, "it was seen there");
}

Test(call_site, a_caller_that_has_gone_on_is_shown_where_it_called) {
    scene_each(gone_on);
}

static void several_sites(struct chain_scene *scene) {
    scene_put(scene, 0, CALLER, AT_CALL, 0);
    scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
    scene_settle(scene);
    scene_unit_set(scene, 0, AT_FOR);
    scene_settle(scene);
    scene_steady_set(scene, false);
    scene_unit_set(scene, 0, AT_CALL);
    scene_expect_sound(scene, "caller leaf ");
    cr_expect_eq(scene->frames[0].unit, AT_CALL, SAID(scene));
    scene_unit_set(scene, 0, AT_FOR);
    scene_expect_sound(scene, "caller leaf ");
    cr_expect_eq(scene->frames[0].unit, AT_FOR, SAID(scene));
}

Test(call_site, a_caller_at_a_place_that_is_known_to_call_is_left_there) {
    scene_each(several_sites);
}

static void code_replaced(struct chain_scene *scene) {
    static const char *const shorter[] = {"CALL_FUNCTION", "RETURN_VALUE", NULL};
    scene_put(scene, 0, CALLER, AT_FOR, 0);
    scene_put(scene, 1, LEAF, AT_NOP, scene_at(0));
    scene_settle(scene);
    struct code *code = made_code(scene->layout, CALLER, "shorter", shorter);
    cr_assert_eq(code_cache_put(scene->codes, CALLER, code, 0), STATUS_OK);
    code_entry_confirm(code_cache_find(scene->codes, CALLER), 800000);
    scene_put(scene, 0, CALLER, 0, 0);
    scene_put(scene, 2, LEAF, AT_NOP, scene_at(0));
    scene_settle(scene);
    scene_die(scene, 1, LEAF_RETURN, 0);
    scene_unit_set(scene, 0, 1);
    scene_leaf_set(scene, scene_at(1));
    cr_expect_eq(scene_walk(scene, false).outcome, WALK_DONE, SAID(scene));
}

Test(call_site, where_other_code_called_from_at_its_address_says_nothing) {
    scene_each(code_replaced);
}
