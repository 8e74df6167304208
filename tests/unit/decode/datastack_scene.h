/* datastack_scene: a picture of a thread's datastack, of a piece of the heap and of its C stack,
 * made up for a test, and what is known of the program. Owned by the test. */
#ifndef ECHION_TESTS_UNIT_DECODE_DATASTACK_SCENE_H
#define ECHION_TESTS_UNIT_DECODE_DATASTACK_SCENE_H

#include "daemon/decode/call_pairs.h"
#include "daemon/decode/code_cache.h"
#include "daemon/decode/stack.h"
#include "daemon/python/layout.h"
#include "daemon/snapshot/thread_image.h"
#include "made_code.h"

enum {
    SCENE_CHUNK_AT = 0x100000,
    SCENE_CHUNK_BYTES = 4096,
    SCENE_HEAP_AT = 0x300000,
    SCENE_HEAP_BYTES = 1024,
    SCENE_GENERATOR_AT = SCENE_HEAP_AT + 256, /* the object */
    SCENE_C_STACK_AT = 0x70000000,
    SCENE_C_STACK_BYTES = 1024,
    SCENE_CAPACITY = 16,
    SCENE_NOW = 1000,
};

/* The code objects that are known, and units of theirs. */
enum { CALLER = 0x10000, LEAF = 0x11000, GENERATOR = 0x12000 };
enum { CALLER_CALL = 1, LEAF_NOP = 0, LEAF_RETURN = 1, GENERATOR_NOP = 1, GENERATOR_YIELD = 2 };

struct datastack_scene {
    const struct py_layout *layout;
    struct code_cache *codes;
    struct call_pairs *pairs;
    uint32_t for_iter; /* unit of the caller's FOR_ITER */
    uint8_t state[1024], chunks[2][SCENE_CHUNK_BYTES];
    uint8_t heap[SCENE_HEAP_BYTES], c_stack[SCENE_C_STACK_BYTES];
    struct extent chunk_extents[2], outside[2]; /* outside: the heap, the C stack */
    uint64_t generators[4];
    struct thread_image image;
    struct frame frames[SCENE_CAPACITY];
    struct stack stack;
    uint64_t end; /* behind the last frame */
};

/* Runs `body` on an empty picture for every minor that has a datastack, and both word sizes. */
void datastack_each(void (*body)(struct datastack_scene *scene));

#define SAID(scene) "3.%u, %u bytes", (scene)->layout->minor, (scene)->layout->word_size

void datastack_word_put(const struct datastack_scene *scene, uint8_t *at, uint64_t word);

/* The thread state names the frame at `frame` as current. */
void datastack_current_set(struct datastack_scene *scene, uint64_t frame);

/* Makes a frame of `bytes`, which are at `address`. */
void datastack_frame_put(const struct datastack_scene *scene, uint8_t *bytes, uint64_t address,
                         uint64_t code, uint32_t unit, int32_t depth, uint64_t previous);

/* Puts a frame behind the last one; its address. */
uint64_t datastack_push(struct datastack_scene *scene, uint64_t code, uint32_t unit, int32_t depth,
                        uint64_t previous);

/* stacktop, or words below stackpointer, of a frame that executes. */
int32_t datastack_executing(const struct datastack_scene *scene);

struct walk_result datastack_walk_once(struct datastack_scene *scene, bool patient);

/* The same, with as many pictures of what is there now as it takes to believe it. */
struct walk_result datastack_walk(struct datastack_scene *scene, bool patient);

#endif
