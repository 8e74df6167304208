#include "datastack_scene.h"

#include <criterion/criterion.h>
#include <string.h>

#include "daemon/decode/frame_walk.h"
#include "daemon/decode/opcodes.h"

void datastack_word_put(const struct datastack_scene *scene, uint8_t *at, uint64_t word) {
    memcpy(at, &word, scene->layout->word_size);
}

static void known(struct datastack_scene *scene, uint64_t address, const char *name,
                  const char *const *instructions) {
    struct code *code = made_code(scene->layout, address, name, instructions);
    cr_assert_eq(code_cache_put(scene->codes, address, code, 0), STATUS_OK);
    code_entry_confirm(code_cache_find(scene->codes, address), 800000);
    cr_assert_geq(code_cache_find(scene->codes, address)->believed_until_ns, SCENE_NOW);
}

static void image_make(struct datastack_scene *scene) {
    for (unsigned i = 0; i < 2; i++) {
        scene->chunk_extents[i] = (struct extent){
            .address = SCENE_CHUNK_AT + i * 2U * SCENE_CHUNK_BYTES,
            .bytes = scene->chunks[i],
            .size = SCENE_CHUNK_BYTES,
            .whole = SCENE_CHUNK_BYTES,
        };
    }
    scene->outside[0] = (struct extent){.address = SCENE_HEAP_AT,
                                        .bytes = scene->heap,
                                        .size = SCENE_HEAP_BYTES,
                                        .whole = SCENE_HEAP_BYTES};
    scene->outside[1] = (struct extent){.address = SCENE_C_STACK_AT,
                                        .bytes = scene->c_stack,
                                        .size = SCENE_C_STACK_BYTES,
                                        .whole = SCENE_C_STACK_BYTES};
    scene->image = (struct thread_image){
        .state = scene->state,
        .chunks = scene->chunk_extents,
        .chunk_count = 1,
        .outside = scene->outside,
        .outside_count = 2,
        .generators = scene->generators,
    };
}

static void datastack_begin(struct datastack_scene *scene, unsigned minor, unsigned word_size) {
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
    image_make(scene);
    datastack_word_put(scene, scene->chunks[1] + layout->chunk.previous, SCENE_CHUNK_AT);
    scene->stack.frames = scene->frames;
    scene->stack.capacity = SCENE_CAPACITY;
    scene->end = SCENE_CHUNK_AT + layout->chunk.data + word_size;
}

static void datastack_end(struct datastack_scene *scene) {
    code_cache_destroy(scene->codes);
    call_pairs_destroy(scene->pairs);
}

void datastack_each(void (*body)(struct datastack_scene *scene)) {
    static struct datastack_scene scene;
    for (unsigned minor = 11; minor <= 15; minor++) {
        for (unsigned word_size = 4; word_size <= 8; word_size += 4) {
            datastack_begin(&scene, minor, word_size);
            body(&scene);
            datastack_end(&scene);
        }
    }
}

void datastack_current_set(struct datastack_scene *scene, uint64_t frame) {
    const struct py_layout *layout = scene->layout;
    if (layout->thread.current_frame != LAYOUT_ABSENT) {
        datastack_word_put(scene, scene->state + layout->thread.current_frame, frame);
    } else {
        datastack_word_put(scene, scene->state + layout->thread.cframe, SCENE_HEAP_AT);
        datastack_word_put(scene, scene->heap + layout->cframe.current_frame, frame);
    }
}

void datastack_frame_put(const struct datastack_scene *scene, uint8_t *bytes, uint64_t address,
                         uint64_t code, uint32_t unit, int32_t depth, uint64_t previous) {
    const struct py_layout *layout = scene->layout;
    datastack_word_put(scene, bytes + layout->iframe.executable, code);
    datastack_word_put(scene, bytes + layout->iframe.previous, previous);
    datastack_word_put(scene, bytes + layout->iframe.instr,
                       code + layout->code.bytecode + 2U * unit);
    if (layout->frame_model == FRAME_MODEL_STACKTOP) {
        memcpy(bytes + layout->iframe.stacktop, &depth, sizeof depth);
    } else {
        datastack_word_put(scene, bytes + layout->iframe.stackpointer,
                           address + layout->iframe.localsplus +
                               (uint64_t)depth * layout->word_size);
    }
}

uint64_t datastack_push(struct datastack_scene *scene, uint64_t code, uint32_t unit, int32_t depth,
                        uint64_t previous) {
    const struct py_layout *layout = scene->layout;
    uint64_t address = scene->end;
    unsigned chunk = address < SCENE_CHUNK_AT + SCENE_CHUNK_BYTES ? 0 : 1;
    uint8_t *bytes = scene->chunks[chunk] + (address - scene->chunk_extents[chunk].address);
    datastack_frame_put(scene, bytes, address, code, unit, depth, previous);
    scene->end += layout->iframe.localsplus + MADE_CODE_WORDS * layout->word_size;
    datastack_word_put(scene, scene->state + layout->thread.datastack_chunk,
                       scene->chunk_extents[chunk].address);
    datastack_word_put(scene, scene->state + layout->thread.datastack_top, scene->end);
    datastack_word_put(scene, scene->chunks[chunk] + layout->chunk.top,
                       (scene->end - scene->chunk_extents[chunk].address - layout->chunk.data) /
                           layout->word_size);
    return address;
}

int32_t datastack_executing(const struct datastack_scene *scene) {
    return scene->layout->frame_model == FRAME_MODEL_STACKTOP ? -1 : 2;
}

struct walk_result datastack_walk_once(struct datastack_scene *scene, bool patient) {
    return frame_walk(scene->layout, scene->codes, scene->pairs, &scene->image, SCENE_NOW, patient,
                      &scene->stack);
}

struct walk_result datastack_walk(struct datastack_scene *scene, bool patient) {
    scene->stack.doubt_count = 0;
    for (;;) {
        uint32_t doubts = scene->stack.doubt_count;
        struct walk_result result = datastack_walk_once(scene, patient);
        if (scene->stack.doubt_count == doubts) {
            return result;
        }
    }
}
