#include "chain_scene.h"

#include <criterion/criterion.h>
#include <string.h>

#include "daemon/decode/chain_memory.h"
#include "daemon/decode/frame_chain.h"
#include "made_code.h"

enum {
    HEAP_AT = 0x100000,
    PLACE_BYTES = 0x200, /* from one to the next */
    SETTLED = 5,         /* pictures in which a call is seen before it must be believed */
};

static struct code *known(struct chain_scene *scene, uint64_t address, const char *name,
                          const char *const *instructions) {
    struct code *code = made_code(scene->layout, address, name, instructions);
    cr_assert_eq(code_cache_put(scene->codes, address, code, 0), STATUS_OK);
    code_entry_confirm(code_cache_find(scene->codes, address), 800000);
    cr_assert_geq(code_cache_find(scene->codes, address)->believed_until_ns, SCENE_NOW);
    return code;
}

static void scene_begin(struct chain_scene *scene, unsigned minor, unsigned word_size) {
    static const char *const caller[] = {"NOP",      "CALL_FUNCTION", "NOP",
                                         "FOR_ITER", "RETURN_VALUE",  NULL};
    static const char *const leaf[] = {"NOP", "RETURN_VALUE", NULL};
    static const char *const generator[] = {"NOP", "YIELD_VALUE", "RETURN_VALUE", NULL};
    memset(scene, 0, sizeof *scene);
    scene->layout = layout_find(3, minor, word_size);
    cr_assert_leq(scene->layout->thread.size, sizeof scene->state);
    cr_assert_lt(scene->layout->frame.state, SCENE_FRAME_BYTES);
    cr_assert_eq(code_cache_create(&scene->codes), STATUS_OK);
    cr_assert_eq(call_pairs_create(&scene->pairs), STATUS_OK);
    known(scene, CALLER, "caller", caller);
    known(scene, LEAF, "leaf", leaf);
    known(scene, RECURSIVE, "recursive", caller);
    known(scene, OTHER, "other", caller);
    scene->generator = known(scene, GENERATOR, "generator", generator);
    scene->generator->flags = 0x20; /* CO_GENERATOR */
    scene->image = (struct thread_image){.state = scene->state, .frames = &scene->index};
    scene_steady_set(scene, true);
    scene->stack.frames = scene->frames;
    scene->stack.capacity = SCENE_CAPACITY;
}

static void scene_end(struct chain_scene *scene) {
    chain_memory_destroy(scene->stack.chain);
    frame_index_deinit(&scene->index);
    code_cache_destroy(scene->codes);
    call_pairs_destroy(scene->pairs);
}

void scene_each(void (*body)(struct chain_scene *scene)) {
    static struct chain_scene scene;
    for (unsigned minor = 8; minor <= 10; minor++) {
        for (unsigned word_size = 4; word_size <= 8; word_size += 4) {
            scene_begin(&scene, minor, word_size);
            body(&scene);
            scene_end(&scene);
        }
    }
}

static void word_put(const struct chain_scene *scene, uint8_t *at, uint64_t word) {
    memcpy(at, &word, scene->layout->word_size);
}

uint64_t scene_at(unsigned place) {
    return HEAP_AT + (uint64_t)place * PLACE_BYTES;
}

void scene_put(struct chain_scene *scene, unsigned place, uint64_t code, int32_t unit,
               uint64_t back) {
    word_put(scene, scene->heap[place] + scene->layout->frame.code, code);
    scene_references_set(scene, place, 1);
    scene_state_set(scene, place, SCENE_RUNNING);
    scene_unit_set(scene, place, unit);
    scene_back_set(scene, place, back);
    scene_held_set(scene, place, true);
    scene_leaf_set(scene, scene_at(place));
}

void scene_die(struct chain_scene *scene, unsigned place, int32_t unit, uint64_t back) {
    scene_references_set(scene, place, 0);
    scene_state_set(scene, place, SCENE_ENDED);
    scene_unit_set(scene, place, unit);
    scene_back_set(scene, place, back);
}

void scene_leaf_set(struct chain_scene *scene, uint64_t address) {
    word_put(scene, scene->state + scene->layout->thread.frame, address);
}

void scene_steady_set(struct chain_scene *scene, bool steady) {
    scene->image.leaf_again = steady ? scene->state + scene->layout->thread.frame : scene->moved;
}

void scene_references_set(struct chain_scene *scene, unsigned place, uint64_t references) {
    word_put(scene, scene->heap[place], references);
}

/* f_executing in 3.8 and 3.9, f_state in 3.10 (Include/cpython/frameobject.h). */
void scene_state_set(struct chain_scene *scene, unsigned place, enum scene_state state) {
    static const int8_t executing[] = {1, 1, 0, 0};
    static const int8_t states[] = {0, 2, -1, 4};
    scene->heap[place][scene->layout->frame.state] =
        (uint8_t)(scene->layout->minor < 10 ? executing[state] : states[state]);
}

void scene_back_set(struct chain_scene *scene, unsigned place, uint64_t back) {
    word_put(scene, scene->heap[place] + scene->layout->frame.back, back);
}

/* f_lasti counts bytes to 3.9, code units in 3.10. */
void scene_unit_set(struct chain_scene *scene, unsigned place, int32_t unit) {
    int32_t lasti = unit > 0 && scene->layout->minor < 10 ? unit * 2 : unit;
    memcpy(scene->heap[place] + scene->layout->frame.lasti, &lasti, sizeof lasti);
}

void scene_held_set(struct chain_scene *scene, unsigned place, bool held) {
    uint32_t slot = frame_index_find(&scene->index, scene_at(place));
    if (slot == FRAME_UNKNOWN) {
        slot = frame_index_add(&scene->index, scene_at(place));
        cr_assert_neq(slot, FRAME_UNKNOWN);
    }
    scene->index.frames[slot].bytes = held ? scene->heap[place] : NULL;
}

void scene_deepen(struct chain_scene *scene) {
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_neq(frame_index_add(&scene->index, scene_at(SCENE_PLACES + i)), FRAME_UNKNOWN);
    }
}

/* Whatever the picture holds: a frame is in the stack once, and within its code. */
static void stack_check(const struct chain_scene *scene) {
    cr_assert_leq(scene->stack.depth, scene->stack.capacity, SAID(scene));
    for (uint32_t i = 0; i < scene->stack.depth; i++) {
        const struct frame *frame = &scene->frames[i];
        cr_assert_lt(frame->unit, frame->code->units, SAID(scene));
        for (uint32_t j = 0; j < i; j++) {
            cr_assert_neq(frame->header.address, scene->frames[j].header.address, SAID(scene));
        }
    }
}

struct walk_result scene_walk(struct chain_scene *scene, bool patient) {
    cr_assert_eq(chain_memory_reserve(&scene->stack.chain, scene->index.capacity, SCENE_CAPACITY),
                 STATUS_OK);
    struct walk_result result = frame_chain_walk(scene->layout, scene->codes, scene->pairs,
                                                 &scene->image, SCENE_NOW, patient, &scene->stack);
    if (result.outcome == WALK_DONE) {
        stack_check(scene);
    }
    return result;
}

void scene_settle(struct chain_scene *scene) {
    for (unsigned i = 0; i < SETTLED; i++) {
        cr_assert_eq(scene_walk(scene, false).outcome, WALK_DONE, SAID(scene));
    }
    cr_assert_eq(scene_walk(scene, true).outcome, WALK_DONE, SAID(scene));
}

void scene_expect_names(const struct chain_scene *scene, const char *names) {
    char found[SCENE_CAPACITY * 16] = "";
    for (uint32_t i = 0; i < scene->stack.depth; i++) {
        strcat(found, scene->frames[i].code->function);
        strcat(found, " ");
    }
    cr_expect_str_eq(found, names, "\"%s\", not \"%s\": 3.%u, %u bytes", found, names,
                     scene->layout->minor, scene->layout->word_size);
}

void scene_expect_sound(struct chain_scene *scene, const char *names) {
    cr_expect_eq(scene_walk(scene, true).outcome, WALK_DONE, SAID(scene));
    scene_expect_names(scene, names);
    cr_expect_not(scene->stack.cut || scene->stack.by_mismatch, SAID(scene));
}

void scene_expect_torn(struct chain_scene *scene) {
    cr_expect_eq(scene_walk(scene, true).outcome, WALK_TORN, SAID(scene));
    enum walk_outcome outcome = scene_walk(scene, false).outcome;
    cr_expect(outcome == WALK_TORN || (outcome == WALK_DONE && scene->stack.by_mismatch),
              SAID(scene));
}
