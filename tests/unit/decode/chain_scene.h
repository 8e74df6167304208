/* chain_scene: a picture of a thread's frame objects, made up for a test, and what is known of the
 * program. Owned by the test. */
#ifndef ECHION_TESTS_UNIT_DECODE_CHAIN_SCENE_H
#define ECHION_TESTS_UNIT_DECODE_CHAIN_SCENE_H

#include "daemon/decode/call_pairs.h"
#include "daemon/decode/code_cache.h"
#include "daemon/decode/stack.h"
#include "daemon/python/layout.h"
#include "daemon/snapshot/thread_image.h"

enum {
    SCENE_PLACES = 24, /* where frames can be */
    SCENE_CAPACITY = 16,
    SCENE_NOW = 1000,
    SCENE_FRAME_BYTES = 128, /* that the picture has of one, at most */
};

/* The code objects that are known, and units of theirs. The caller, recursive and other code are
 * the same but for their names. */
enum {
    CALLER = 0x10000,
    LEAF = 0x11000,
    RECURSIVE = 0x12000,
    OTHER = 0x13000,
    GENERATOR = 0x14000
};
enum { AT_NOP = 0, AT_CALL = 1, BEHIND_CALL = 2, AT_FOR = 3, AT_RETURN = 4 };
enum { LEAF_RETURN = 1, LEAF_BEHIND_LAST = 2 };
enum { GENERATOR_YIELD = 1, GENERATOR_RETURN = 2 };

struct chain_scene {
    const struct py_layout *layout;
    struct code_cache *codes;
    struct call_pairs *pairs;
    struct code *generator;
    uint8_t state[512];
    uint8_t moved[8]; /* what names the leaf at the end of an unsteady picture */
    uint8_t heap[SCENE_PLACES][SCENE_FRAME_BYTES];
    struct frame_index index;
    struct thread_image image;
    struct frame frames[SCENE_CAPACITY];
    struct stack stack;
};

enum scene_state { SCENE_RUNNING, SCENE_UNWINDING, SCENE_SUSPENDED, SCENE_ENDED };

/* Runs `body` on an empty picture for every minor whose frames are objects, and both word sizes. */
void scene_each(void (*body)(struct chain_scene *scene));

#define SAID(scene) "3.%u, %u bytes", (scene)->layout->minor, (scene)->layout->word_size

/* The address of a frame in that place. */
uint64_t scene_at(unsigned place);

/* Puts a running frame into a place of the picture, and names it in the thread state. */
void scene_put(struct chain_scene *scene, unsigned place, uint64_t code, int32_t unit,
               uint64_t back);

/* Lets the frame in `place` end at `unit`; what freed it leaves `back` in it. */
void scene_die(struct chain_scene *scene, unsigned place, int32_t unit, uint64_t back);

void scene_leaf_set(struct chain_scene *scene, uint64_t address);
/* The leaf is the same, or another one, when all frames have been copied. */
void scene_steady_set(struct chain_scene *scene, bool steady);
void scene_references_set(struct chain_scene *scene, unsigned place, uint64_t references);
void scene_state_set(struct chain_scene *scene, unsigned place, enum scene_state state);
void scene_back_set(struct chain_scene *scene, unsigned place, uint64_t back);
void scene_unit_set(struct chain_scene *scene, unsigned place, int32_t unit);

/* The picture has the frame in `place`, or lacks it though it is known. */
void scene_held_set(struct chain_scene *scene, unsigned place, bool held);

/* Lets so many more frames be known, of which the picture has nothing, that the stack is deep. */
void scene_deepen(struct chain_scene *scene);

/* Walks the picture as it is. Fails the test if what is found cannot be a stack. */
struct walk_result scene_walk(struct chain_scene *scene, bool patient);

/* Looks until the calls in the picture have been seen often enough to be believed. */
void scene_settle(struct chain_scene *scene);

/* The stack is that of `names`, outermost first, each followed by a blank. */
void scene_expect_names(const struct chain_scene *scene, const char *names);

/* The picture is complete and sound, and the stack that of `names`. */
void scene_expect_sound(struct chain_scene *scene, const char *names);

/* Another picture is asked for; where that cannot be had, what is shown is shown as torn. */
void scene_expect_torn(struct chain_scene *scene);

#endif
