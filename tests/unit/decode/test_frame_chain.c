#include <criterion/criterion.h>
#include <string.h>

#include "daemon/decode/chain_memory.h"
#include "daemon/decode/frame_chain.h"
#include "daemon/decode/frame_walk.h"
#include "made_code.h"

enum {
    HEAP_AT = 0x100000,
    PLACES = 24,         /* where frames can be */
    PLACE_BYTES = 0x200, /* from one to the next */
    FRAME_BYTES = 128,   /* that a picture has of one, at most */
    CAPACITY = 16,
    NOW = 1000,
    SETTLED = 5,      /* pictures in which a call is seen before it must be believed */
    CALLER = 0x10000, /* code objects */
    LEAF = 0x11000,
    RECURSIVE = 0x12000,
    OTHER = 0x13000,
    GENERATOR = 0x14000,
};

/* Units of the codes below. */
enum { AT_NOP = 0, AT_CALL = 1, BEHIND_CALL = 2, AT_FOR = 3, LEAF_RETURN = 1, AT_YIELD = 1 };

/* A picture of a thread's frame objects, and what is known of its program. */
struct scene {
    const struct py_layout *layout;
    struct code_cache *codes;
    struct call_pairs *pairs;
    struct code *generator;
    uint8_t state[512];
    uint8_t heap[PLACES][FRAME_BYTES];
    struct frame_index index;
    struct thread_image image;
    struct frame frames[CAPACITY];
    struct stack stack;
};

#define SAID(scene) "3.%u, %u bytes", (scene)->layout->minor, (scene)->layout->word_size

static void word_put(const struct scene *scene, uint8_t *at, uint64_t word) {
    memcpy(at, &word, scene->layout->word_size);
}

static uint64_t at(unsigned place) {
    return HEAP_AT + (uint64_t)place * PLACE_BYTES;
}

static struct code *known(struct scene *scene, uint64_t address, const char *name,
                          const char *const *instructions) {
    struct code *code = made_code(scene->layout, address, name, instructions);
    cr_assert_eq(code_cache_put(scene->codes, address, code, 0), STATUS_OK);
    code_entry_confirm(code_cache_find(scene->codes, address), 800000);
    cr_assert_geq(code_cache_find(scene->codes, address)->believed_until_ns, NOW);
    return code;
}

static void begin(struct scene *scene, unsigned minor, unsigned word_size) {
    static const char *const caller[] = {"NOP",      "CALL_FUNCTION", "NOP",
                                         "FOR_ITER", "RETURN_VALUE",  NULL};
    static const char *const leaf[] = {"NOP", "RETURN_VALUE", NULL};
    static const char *const generator[] = {"NOP", "YIELD_VALUE", "RETURN_VALUE", NULL};
    memset(scene, 0, sizeof *scene);
    scene->layout = layout_find(3, minor, word_size);
    cr_assert_leq(scene->layout->thread.size, sizeof scene->state);
    cr_assert_lt(scene->layout->frame.state, FRAME_BYTES);
    cr_assert_eq(code_cache_create(&scene->codes), STATUS_OK);
    cr_assert_eq(call_pairs_create(&scene->pairs), STATUS_OK);
    known(scene, CALLER, "caller", caller);
    known(scene, LEAF, "leaf", leaf);
    known(scene, RECURSIVE, "recursive", caller);
    known(scene, OTHER, "other", caller);
    scene->generator = known(scene, GENERATOR, "generator", generator);
    scene->generator->flags = 0x20; /* CO_GENERATOR */
    scene->image = (struct thread_image){.state = scene->state, .frames = &scene->index};
    scene->stack.frames = scene->frames;
    scene->stack.capacity = CAPACITY;
}

static void end(struct scene *scene) {
    chain_memory_destroy(scene->stack.chain);
    frame_index_deinit(&scene->index);
    code_cache_destroy(scene->codes);
    call_pairs_destroy(scene->pairs);
}

/* Runs `body` for every minor whose frames are objects, and both word sizes. */
static void each(void (*body)(struct scene *scene)) {
    static struct scene scene;
    for (unsigned minor = 8; minor <= 10; minor++) {
        for (unsigned word_size = 4; word_size <= 8; word_size += 4) {
            begin(&scene, minor, word_size);
            body(&scene);
            end(&scene);
        }
    }
}

/* Values of f_executing (3.8, 3.9) or f_state (3.10: Include/cpython/frameobject.h). */
static uint8_t running(const struct scene *scene) {
    return scene->layout->minor < 10 ? 1 : 0;
}

static uint8_t suspended(const struct scene *scene) {
    return (uint8_t)(scene->layout->minor < 10 ? 0 : -1);
}

static uint8_t ended(const struct scene *scene) {
    return scene->layout->minor < 10 ? 0 : 4;
}

static void leaf_set(struct scene *scene, uint64_t address) {
    word_put(scene, scene->state + scene->layout->thread.frame, address);
}

static void references_set(struct scene *scene, unsigned place, uint64_t references) {
    word_put(scene, scene->heap[place], references);
}

static void state_set(struct scene *scene, unsigned place, uint8_t state) {
    scene->heap[place][scene->layout->frame.state] = state;
}

static void back_set(struct scene *scene, unsigned place, uint64_t back) {
    word_put(scene, scene->heap[place] + scene->layout->frame.back, back);
}

static void unit_set(struct scene *scene, unsigned place, int32_t unit) {
    int32_t lasti = unit < 0 ? unit : unit * 2 / scene->layout->instr_scale;
    memcpy(scene->heap[place] + scene->layout->frame.lasti, &lasti, sizeof lasti);
}

/* The picture has the frame in `place`, or lacks it though it is known. */
static void held_set(struct scene *scene, unsigned place, bool held) {
    uint32_t slot = frame_index_find(&scene->index, at(place));
    if (slot == FRAME_UNKNOWN) {
        slot = frame_index_add(&scene->index, at(place));
        cr_assert_neq(slot, FRAME_UNKNOWN);
    }
    scene->index.frames[slot].bytes = held ? scene->heap[place] : NULL;
}

/* Puts a running frame into a place of the picture; it becomes the leaf. Its address. */
static uint64_t put(struct scene *scene, unsigned place, uint64_t code, int32_t unit,
                    uint64_t back) {
    word_put(scene, scene->heap[place] + scene->layout->frame.code, code);
    references_set(scene, place, 1);
    state_set(scene, place, running(scene));
    unit_set(scene, place, unit);
    back_set(scene, place, back);
    held_set(scene, place, true);
    leaf_set(scene, at(place));
    return at(place);
}

/* Lets the frame in `place` end at `unit`; what frees it leaves `back` in it. */
static void die(struct scene *scene, unsigned place, int32_t unit, uint64_t back) {
    references_set(scene, place, 0);
    state_set(scene, place, ended(scene));
    unit_set(scene, place, unit);
    back_set(scene, place, back);
}

static struct walk_result walk(struct scene *scene, bool patient) {
    cr_assert_eq(chain_memory_reserve(&scene->stack.chain, scene->index.capacity, CAPACITY),
                 STATUS_OK);
    return frame_chain_walk(scene->layout, scene->codes, scene->pairs, &scene->image, NOW, patient,
                            &scene->stack);
}

/* Looks until the calls in the picture have been seen often enough to be believed. */
static void settle(struct scene *scene) {
    for (unsigned i = 0; i < SETTLED; i++) {
        cr_assert_eq(walk(scene, false).outcome, WALK_DONE, SAID(scene));
    }
    cr_assert_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
}

/* The stack is that of `names`, outermost first, each followed by a blank. */
static void expect_names(const struct scene *scene, const char *names) {
    char found[CAPACITY * 16] = "";
    for (uint32_t i = 0; i < scene->stack.depth; i++) {
        strcat(found, scene->frames[i].code->function);
        strcat(found, " ");
    }
    cr_expect_str_eq(found, names, "\"%s\", not \"%s\": 3.%u, %u bytes", found, names,
                     scene->layout->minor, scene->layout->word_size);
}

/* The picture is complete and sound, and the stack that of `names`. */
static void expect_sound(struct scene *scene, const char *names) {
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    expect_names(scene, names);
    cr_expect_not(scene->stack.cut || scene->stack.by_mismatch, SAID(scene));
}

/* Another picture is asked for; where that cannot be had, what is shown is shown as torn. */
static void expect_torn(struct scene *scene) {
    cr_expect_eq(walk(scene, true).outcome, WALK_TORN, SAID(scene));
    enum walk_outcome outcome = walk(scene, false).outcome;
    cr_expect(outcome == WALK_TORN || (outcome == WALK_DONE && scene->stack.by_mismatch),
              SAID(scene));
}

static void living(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, CALLER, AT_CALL, at(0));
    put(scene, 2, LEAF, AT_NOP, at(1));
    cr_expect_eq(walk(scene, false).outcome, WALK_DONE, SAID(scene));
    expect_names(scene, "caller caller leaf ");
    settle(scene);
    expect_sound(scene, "caller caller leaf ");
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(scene->frames[i].header.address, at(i), SAID(scene));
        cr_expect_eq(scene->frames[i].unit, i < 2 ? AT_CALL : AT_NOP, SAID(scene));
        cr_expect_not(scene->frames[i].just_pushed);
    }
}

Test(frame_chain, a_living_chain_is_the_stack) {
    each(living);
}

static void unbelieved(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, LEAF, AT_NOP, at(0));
    cr_expect_eq(walk(scene, true).outcome, WALK_TORN, SAID(scene)); /* seen once: look again */
    settle(scene);
    put(scene, 0, CALLER, AT_NOP, 0);
    put(scene, 2, OTHER, AT_NOP, at(0));
    expect_torn(scene); /* at an instruction that calls nothing */
}

Test(frame_chain, a_call_is_believed_once_it_was_seen_several_times) {
    each(unbelieved);
}

static void handed_on(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, LEAF, AT_NOP, at(0));
    settle(scene);
    cr_expect_eq(frame_walk(scene->layout, scene->codes, scene->pairs, &scene->image, NOW, true,
                            &scene->stack)
                     .outcome,
                 WALK_DONE, SAID(scene));
    expect_names(scene, "caller leaf ");
}

Test(frame_chain, frame_walk_hands_it_on) {
    each(handed_on);
}

static void no_frames(struct scene *scene) {
    leaf_set(scene, 0);
    expect_sound(scene, "");
    put(scene, 0, CALLER, AT_NOP, 0);
    expect_sound(scene, "caller ");
    leaf_set(scene, 0);
    expect_sound(scene, "");
}

Test(frame_chain, a_thread_that_runs_nothing_has_no_stack) {
    each(no_frames);
}

static void just_begun(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, LEAF, -1, at(0));
    settle(scene);
    expect_sound(scene, "caller leaf ");
    cr_expect(scene->frames[1].just_pushed, SAID(scene));
    cr_expect_eq(scene->frames[1].unit, 0, SAID(scene));
    state_set(scene, 1, suspended(scene)); /* made, and not executing yet */
    expect_sound(scene, "caller leaf ");
}

Test(frame_chain, a_frame_that_has_just_begun_is_part_of_it) {
    each(just_begun);
}

static void unwinding(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, CALLER, AT_CALL, at(0));
    state_set(scene, 1, scene->layout->minor < 10 ? running(scene) : 2); /* FRAME_UNWINDING */
    put(scene, 2, LEAF, AT_NOP, at(1));
    settle(scene);
    expect_sound(scene, "caller caller leaf ");
}

Test(frame_chain, a_frame_that_looks_for_a_handler_runs) {
    each(unwinding);
}

static void zombie(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, CALLER, AT_CALL, at(0));
    put(scene, 2, LEAF, AT_NOP, at(1));
    settle(scene);
    die(scene, 2, LEAF_RETURN, at(1));
    expect_sound(scene, "caller caller leaf ");
    cr_expect_eq(scene->frames[2].unit, LEAF_RETURN, SAID(scene));
    unit_set(scene, 1, BEHIND_CALL); /* it has gone on since */
    expect_sound(scene, "caller caller leaf ");
    cr_expect_eq(scene->frames[1].unit, AT_CALL, SAID(scene));
}

Test(frame_chain, a_dead_leaf_that_its_code_keeps_names_its_caller) {
    each(zombie);
}

static void zombie_elsewhere(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, LEAF, AT_NOP, at(0));
    settle(scene);
    put(scene, 2, CALLER, AT_CALL, at(0));
    settle(scene);
    die(scene, 1, LEAF_RETURN, at(2));
    leaf_set(scene, at(1));
    expect_sound(scene, "caller caller leaf ");
    cr_expect_eq(scene->frames[1].header.address, at(2), SAID(scene));
}

Test(frame_chain, a_dead_leaf_that_its_code_keeps_names_its_last_caller) {
    each(zombie_elsewhere);
}

static void freed(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, RECURSIVE, AT_CALL, at(0));
    put(scene, 2, RECURSIVE, AT_CALL, at(1));
    put(scene, 3, RECURSIVE, AT_CALL, at(2));
    settle(scene);
    die(scene, 3, AT_FOR + 1, 0);
    die(scene, 2, AT_FOR + 1, at(3)); /* freed before it: the next in the interpreter's list */
    leaf_set(scene, at(2));
    expect_sound(scene, "caller recursive recursive ");
    cr_expect_eq(scene->frames[2].header.address, at(2), SAID(scene));
    die(scene, 2, AT_FOR + 1, 0); /* the first one that was freed */
    expect_sound(scene, "caller recursive recursive ");
    die(scene, 2, AT_FOR + 1, at(4)); /* one that is not in the picture */
    struct walk_result result = walk(scene, true);
    if (result.outcome == WALK_NEED_OUTSIDE) {
        cr_expect_eq(result.need, at(4), SAID(scene));
        put(scene, 4, RECURSIVE, AT_CALL, 0);
        die(scene, 4, AT_FOR + 1, at(3));
        leaf_set(scene, at(2));
    }
    expect_sound(scene, "caller recursive recursive ");
}

Test(frame_chain, a_dead_frames_link_into_the_free_list_is_not_followed) {
    each(freed);
}

static void freed_together(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, RECURSIVE, AT_CALL, at(0));
    put(scene, 2, RECURSIVE, AT_CALL, at(1));
    put(scene, 3, LEAF, AT_NOP, at(2));
    settle(scene);
    die(scene, 3, LEAF_RETURN, at(2));
    die(scene, 2, AT_FOR + 1, at(4));
    put(scene, 4, OTHER, AT_CALL, at(0));
    leaf_set(scene, at(3));
    expect_sound(scene, "caller recursive recursive leaf ");
}

Test(frame_chain, the_dead_are_followed_to_the_living) {
    each(freed_together);
}

static void reused(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, RECURSIVE, AT_CALL, at(0));
    put(scene, 2, RECURSIVE, AT_CALL, at(1));
    put(scene, 3, LEAF, AT_NOP, at(2));
    settle(scene);
    put(scene, 3, OTHER, AT_CALL, 0); /* in the leaf's memory; ended at once */
    die(scene, 3, AT_FOR + 1, 0);
    expect_torn(scene);
}

Test(frame_chain, what_is_remembered_of_other_code_in_a_frames_memory_is_not_used) {
    each(reused);
}

static void caller_reused(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, RECURSIVE, AT_CALL, at(0));
    put(scene, 2, RECURSIVE, AT_CALL, at(1));
    settle(scene);
    put(scene, 1, OTHER, AT_CALL, at(0));
    die(scene, 2, AT_FOR + 1, 0);
    leaf_set(scene, at(2));
    cr_expect_eq(walk(scene, true).outcome, WALK_TORN, SAID(scene));
    cr_expect_eq(walk(scene, false).outcome, WALK_DONE, SAID(scene));
    for (uint32_t i = 0; i < scene->stack.depth; i++) {
        cr_expect_neq(scene->frames[i].header.address, at(1), SAID(scene));
    }
}

Test(frame_chain, a_remembered_caller_with_other_code_is_not_used) {
    each(caller_reused);
}

static void circle(struct scene *scene) {
    for (unsigned round = 0; round < SETTLED; round++) {
        put(scene, 0, RECURSIVE, AT_CALL, at(0));
        expect_torn(scene);
        put(scene, 0, RECURSIVE, AT_CALL, at(1));
        put(scene, 1, RECURSIVE, AT_CALL, at(0));
        expect_torn(scene);
        put(scene, 2, LEAF, AT_NOP, at(1));
        expect_torn(scene);
    }
    die(scene, 1, AT_FOR + 1, at(0));
    leaf_set(scene, at(1));
    expect_torn(scene);
}

Test(frame_chain, a_circle_ends) {
    each(circle);
}

static void unknown_code(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, 0x20000, AT_NOP, at(0));
    struct walk_result result = walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_CODE, SAID(scene));
    cr_expect_eq(result.need, 0x20000, SAID(scene));
    result = walk(scene, false);
    cr_expect_eq(result.outcome, WALK_NEED_CODE, SAID(scene)); /* it needs no other picture */
    cr_assert_eq(code_cache_put(scene->codes, 0x20000, NULL, NOW), STATUS_OK);
    expect_torn(scene); /* no code is there: no frame */

    put(scene, 1, LEAF, AT_NOP, at(0));
    settle(scene);
    code_cache_find(scene->codes, CALLER)->believed_until_ns = NOW - 1;
    result = walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_CODE, SAID(scene));
    cr_expect_eq(result.need, CALLER, SAID(scene));
}

Test(frame_chain, code_that_is_not_known_or_not_believed_is_asked_for) {
    each(unknown_code);
}

static void senseless(struct scene *scene) {
    const uint64_t codes[] = {0, LEAF + 1};
    for (unsigned i = 0; i < 2; i++) {
        put(scene, 0, codes[i], AT_NOP, 0);
        expect_torn(scene);
        put(scene, 1, LEAF, AT_NOP, at(0));
        expect_torn(scene); /* as the caller */
    }
    const int32_t units[] = {LEAF_RETURN + 1, -2, INT32_MAX / 2, INT32_MIN};
    for (unsigned i = 0; i < 4; i++) {
        put(scene, 0, LEAF, units[i], 0);
        expect_torn(scene);
    }
    if (scene->layout->instr_scale == 1) {
        const int32_t within = 1;
        put(scene, 0, LEAF, AT_NOP, 0);
        memcpy(scene->heap[0] + scene->layout->frame.lasti, &within, sizeof within);
        expect_torn(scene);
    }
}

Test(frame_chain, what_cannot_be_a_frame_of_its_code_is_none) {
    each(senseless);
}

static void unknown_leaf(struct scene *scene) {
    leaf_set(scene, at(3));
    struct walk_result result = walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_OUTSIDE, SAID(scene));
    cr_expect_eq(result.need, at(3), SAID(scene));
    cr_expect_eq(walk(scene, false).outcome, WALK_TORN, SAID(scene));
    put(scene, 3, CALLER, AT_NOP, 0);
    held_set(scene, 3, false);
    result = walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_OUTSIDE, SAID(scene));
    cr_expect_eq(result.need, at(3), SAID(scene));
    leaf_set(scene, at(3) + 1);
    expect_torn(scene); /* no frame's address: not worth a look */
}

Test(frame_chain, a_leaf_that_the_picture_lacks_is_asked_for) {
    each(unknown_leaf);
}

static void unknown_caller(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, LEAF, AT_NOP, at(3));
    struct walk_result result = walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_OUTSIDE, SAID(scene));
    cr_expect_eq(result.need, at(3), SAID(scene));
    cr_expect_eq(walk(scene, false).outcome, WALK_DONE, SAID(scene));
    expect_names(scene, "leaf "); /* nothing is known to call it */
    cr_expect(scene->stack.by_mismatch, SAID(scene));
    back_set(scene, 1, at(3) + 1);
    expect_torn(scene);
    put(scene, 3, CALLER, AT_CALL, at(0));
    put(scene, 1, LEAF, AT_NOP, at(3));
    settle(scene);
    expect_sound(scene, "caller caller leaf ");
    held_set(scene, 3, false);
    result = walk(scene, true);
    cr_expect_eq(result.outcome, WALK_NEED_OUTSIDE, SAID(scene));
    cr_expect_eq(result.need, at(3), SAID(scene));
}

Test(frame_chain, a_caller_that_the_picture_lacks_is_asked_for) {
    each(unknown_caller);
}

/* CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR: Include/code.h. */
static const uint32_t generator_flags[] = {0x20, 0x80, 0x200};

static void generator(struct scene *scene) {
    for (unsigned i = 0; i < 3; i++) {
        scene->generator->flags = generator_flags[i];
        put(scene, 0, CALLER, AT_FOR, 0);
        put(scene, 1, GENERATOR, AT_NOP, at(0));
        settle(scene);
        expect_sound(scene, "caller generator ");
        state_set(scene, 1, suspended(scene)); /* it has yielded since: f_back is cleared */
        unit_set(scene, 1, AT_YIELD);
        back_set(scene, 1, 0);
        expect_sound(scene, "caller generator ");
        unit_set(scene, 0, AT_FOR + 1);
        expect_sound(scene, "caller generator ");
        cr_expect_eq(scene->frames[0].unit, AT_FOR, SAID(scene));
        die(scene, 1, AT_YIELD + 1, 0);
        expect_sound(scene, "caller generator ");
    }
}

Test(frame_chain, a_generator_that_has_yielded_is_shown_where_it_ran) {
    each(generator);
}

static void generator_alone(struct scene *scene) {
    for (unsigned i = 0; i < 3; i++) {
        scene->generator->flags = generator_flags[i];
        put(scene, 0, GENERATOR, AT_NOP, 0);
        expect_torn(scene);
        state_set(scene, 0, suspended(scene));
        expect_torn(scene);
    }
}

Test(frame_chain, a_generator_without_a_caller_is_no_root) {
    each(generator_alone);
}

static void references(struct scene *scene) {
    const uint64_t counts[] = {UINT32_MAX, INT32_MAX, (UINT64_C(1) << 40) + (1U << 31), UINT64_MAX};
    for (unsigned i = 0; i < 4; i++) {
        put(scene, 0, CALLER, AT_CALL, 0);
        put(scene, 1, LEAF, AT_NOP, at(0));
        references_set(scene, 1, counts[i]);
        expect_torn(scene);
        references_set(scene, 0, counts[i]);
        put(scene, 1, LEAF, AT_NOP, at(0));
        expect_torn(scene);
    }
    references_set(scene, 0, 1000000);
    references_set(scene, 1, 1000000);
    settle(scene);
    expect_sound(scene, "caller leaf ");
}

Test(frame_chain, what_has_an_absurd_number_of_references_is_no_frame) {
    each(references);
}

static void too_deep(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, RECURSIVE, AT_CALL, at(0));
    put(scene, 2, RECURSIVE, AT_CALL, at(1));
    put(scene, 3, LEAF, AT_NOP, at(2));
    settle(scene);
    expect_sound(scene, "caller recursive recursive leaf ");
    scene->stack.capacity = 2;
    cr_expect_eq(walk(scene, true).outcome, WALK_DONE, SAID(scene));
    cr_expect(scene->stack.cut, SAID(scene));
    cr_expect_eq(scene->stack.depth, 2, SAID(scene));
    scene->stack.capacity = CAPACITY;
    expect_sound(scene, "caller recursive recursive leaf ");
}

Test(frame_chain, a_stack_without_room_is_cut) {
    each(too_deep);
}

static void as_deep_as_can_be(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    for (unsigned i = 1; i < CAPACITY; i++) {
        put(scene, i, RECURSIVE, AT_CALL, at(i - 1));
    }
    settle(scene);
    cr_expect_eq(scene->stack.depth, CAPACITY, SAID(scene));
    cr_expect_not(scene->stack.cut, SAID(scene));
    put(scene, CAPACITY, RECURSIVE, AT_CALL, at(CAPACITY - 1));
    cr_expect_eq(walk(scene, false).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.depth, CAPACITY, SAID(scene));
    cr_expect(scene->stack.cut, SAID(scene));
}

Test(frame_chain, a_stack_that_just_fits_is_whole) {
    each(as_deep_as_can_be);
}

static void again(struct scene *scene) {
    put(scene, 0, CALLER, AT_CALL, 0);
    put(scene, 1, CALLER, AT_CALL, at(0));
    put(scene, 2, LEAF, AT_NOP, at(1));
    cr_expect_eq(walk(scene, false).outcome, WALK_DONE, SAID(scene));
    cr_expect_eq(scene->stack.same, 0, SAID(scene));
    settle(scene);
    expect_sound(scene, "caller caller leaf ");
    cr_expect_eq(scene->stack.same, 3, SAID(scene));
    unit_set(scene, 2, LEAF_RETURN);
    expect_sound(scene, "caller caller leaf ");
    cr_expect_eq(scene->stack.same, 2, SAID(scene));
    leaf_set(scene, at(1));
    expect_sound(scene, "caller caller ");
    cr_expect_eq(scene->stack.same, 2, SAID(scene));
    cr_expect_eq(scene->stack.last_depth, 2, SAID(scene));
}

Test(frame_chain, says_which_frames_are_those_of_the_last_walk) {
    each(again);
}
