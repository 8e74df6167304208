/* Any picture of frame objects, of any minor that has them: the walk ends, stays within the picture
 * and the stack's room, and what it finds holds together, whatever it remembers of the pictures
 * before. Input: minor and options, code objects, then operations that put frames and words into
 * the picture, change what it holds, or have it walked; all by small numbers, so that a mutation
 * seldom makes it senseless as a whole. */
#include "daemon/decode/chain_memory.h"
#include "daemon/decode/frame_walk.h"
#include "daemon/snapshot/chain_plan.h"
#include "program_fuzz.h"

enum {
    CODES = 6,
    PLACES = 24, /* where frames can be */
    WALKS_MAX = 48,
    LESSONS_MAX = 64,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A made-up process: what its memory holds, and what is known of it. */
struct world {
    struct input input;
    const struct py_layout *layout;
    struct code_cache *codes;
    struct call_pairs *pairs;
    uint8_t *state;
    uint8_t *places[PLACES]; /* a frame's bytes */
    bool lacks[PLACES];      /* known, and not in the next picture */
    struct frame_index index;
    struct stack stack;
    uint64_t now_ns;
    unsigned walks;
};

static uint64_t place_address(unsigned place) {
    return 0x100000 + (uint64_t)place * 0x200;
}

/* PLACES where there is none. */
static unsigned place_find(uint64_t address) {
    uint64_t place = (address - place_address(0)) / 0x200;
    return address % 0x200 == 0 && place < PLACES ? (unsigned)place : PLACES;
}

/* A word that is likely to mean something. */
static uint64_t word_choose(struct world *world) {
    struct input *input = &world->input;
    uint8_t kind = take(input);
    uint64_t raw = 0;
    switch (kind % 8) {
    case 1:
    case 2:
    case 3:
        return place_address(kind / 8 % PLACES);
    case 4:
        return code_address(kind / 8 % (CODES + 1));
    case 5:
        return place_address(take(input)) + take(input);
    case 6:
        for (unsigned i = 0; i < 8; i++) {
            raw = raw << 8 | take(input);
        }
        return raw;
    case 7:
        return (uint64_t)(int64_t)(int8_t)take(input);
    default:
        return 0;
    }
}

/* f_executing or f_state: one that means something in some minor, or any. */
static uint8_t state_choose(uint8_t choice) {
    static const uint8_t states[] = {0, 1, 2, 3, 4, (uint8_t)-1, (uint8_t)-2};
    return choice < sizeof states ? states[choice] : choice;
}

static void leaf_set(struct world *world, uint64_t address) {
    target_word_put(world->layout, world->state + world->layout->thread.frame, address);
}

static void place_know(struct world *world, unsigned place) {
    if (frame_index_find(&world->index, place_address(place)) == FRAME_UNKNOWN) {
        require(frame_index_add(&world->index, place_address(place)) != FRAME_UNKNOWN);
    }
    world->lacks[place] = false;
}

static void frame_place(struct world *world) {
    struct input *input = &world->input;
    const struct py_layout *layout = world->layout;
    uint8_t options = take(input);
    unsigned place = options % PLACES;
    uint8_t *bytes = world->places[place];
    target_word_put(layout, bytes + layout->frame.code, code_address(take(input) % CODES));
    target_int_put(bytes + layout->frame.lasti,
                   (int32_t)(int8_t)take(input) * (2 / layout->instr_scale));
    target_word_put(layout, bytes, (uint64_t)(int64_t)(int8_t)take(input)); /* references */
    bytes[layout->frame.state] = state_choose(take(input));
    target_word_put(layout, bytes + layout->frame.back, word_choose(world));
    place_know(world, place);
    if (options < 128) {
        leaf_set(world, place_address(place));
    }
}

/* Whether a frame that is shown is a frame of its code, and one that the picture holds. */
static void frame_check(const struct world *world, const struct frame *frame) {
    require(frame->code != NULL && frame->unit < frame->code->units);
    require(frame->header.executable == frame->code->address.v);
    uint32_t slot = frame_index_find(&world->index, frame->header.address);
    require(slot != FRAME_UNKNOWN && world->index.frames[slot].bytes != NULL);
}

static void stack_check(const struct world *world, bool patient) {
    const struct stack *stack = &world->stack;
    uint64_t leaf =
        image_word(world->state + world->layout->thread.frame, world->layout->word_size);
    require(stack->depth <= stack->capacity && stack->same <= stack->depth);
    require(stack->last_depth == stack->depth);
    require(!(patient && stack->by_mismatch));
    for (uint32_t i = 0; i < stack->depth; i++) {
        frame_check(world, &stack->frames[i]);
        for (uint32_t j = 0; j < i; j++) {
            require(stack->frames[i].header.address != stack->frames[j].header.address);
        }
    }
    if (stack->cut) {
        require(stack->depth == stack->capacity);
    } else if (stack->depth == 0) {
        require(leaf == 0);
    } else {
        const struct frame *root = &stack->frames[0];
        require(stack->frames[stack->depth - 1].header.address == leaf);
        require(stack->by_mismatch || root->header.previous == 0);
    }
}

/* Does what the walk asks for; false if that cannot be done without another picture. */
static bool provide(struct world *world, struct walk_result result) {
    require(result.need != 0);
    if (result.outcome == WALK_NEED_CODE) {
        const struct code_entry *entry = code_cache_find(world->codes, result.need);
        require(entry == NULL || entry->believed_until_ns < world->now_ns);
        require(code_cache_put(world->codes, result.need, NULL, world->now_ns) == STATUS_OK);
        return true;
    }
    require(result.outcome == WALK_NEED_OUTSIDE);
    unsigned place = place_find(result.need);
    if (place == PLACES) {
        return false;
    }
    uint32_t slot = frame_index_find(&world->index, result.need);
    require(slot == FRAME_UNKNOWN || world->index.frames[slot].bytes == NULL);
    place_know(world, place);
    return true;
}

/* Copies each frame that the picture holds, as large as a read of it. */
static void frames_copy(struct world *world, uint8_t **copies) {
    const uint32_t size = chain_frame_bytes(world->layout);
    for (unsigned i = 0; i < PLACES; i++) {
        uint32_t slot = frame_index_find(&world->index, place_address(i));
        if (slot == FRAME_UNKNOWN) {
            continue;
        }
        if (world->lacks[i]) {
            world->index.frames[slot].bytes = NULL;
            continue;
        }
        if (copies[i] == NULL) {
            copies[i] = allocate(size);
            memcpy(copies[i], world->places[i], size);
        }
        world->index.frames[slot].bytes = copies[i];
    }
}

/* Walks the picture as it is now, learning what the walk asks for. */
static void walk(struct world *world, bool patient) {
    uint8_t *copies[PLACES] = {NULL};
    uint8_t *state = allocate(world->layout->thread.size);
    memcpy(state, world->state, world->layout->thread.size);
    const struct thread_image image = {
        .state = state,
        .frames = &world->index,
        .leaf_again = world->walks % 2 == 0 ? NULL : state + world->layout->thread.frame,
    };
    for (unsigned lesson = 0; lesson < LESSONS_MAX; lesson++) {
        frames_copy(world, copies);
        require(chain_memory_reserve(&world->stack.chain, world->index.capacity,
                                     world->stack.capacity) == STATUS_OK);
        struct walk_result result = frame_walk(world->layout, world->codes, world->pairs, &image,
                                               world->now_ns, patient, &world->stack);
        if (result.outcome == WALK_DONE) {
            stack_check(world, patient);
            break;
        }
        if (result.outcome == WALK_TORN) {
            break;
        }
        require(patient || result.outcome == WALK_NEED_CODE);
        if (!provide(world, result)) {
            break;
        }
    }
    world->now_ns += 1000;
    for (unsigned i = 0; i < PLACES; i++) {
        uint32_t slot = frame_index_find(&world->index, place_address(i));
        if (slot != FRAME_UNKNOWN) {
            world->index.frames[slot].bytes = NULL;
        }
        free(copies[i]);
    }
    free(state);
}

static uint32_t co_flags_choose(uint8_t choice) {
    return choice % 4 == 0 ? 0x20 : 0; /* CO_GENERATOR: Include/code.h */
}

/* Takes away or brings back: a frame from the picture, a code object or the belief in it. */
static void forget(struct world *world, uint8_t operation) {
    struct input *input = &world->input;
    uint8_t choice = take(input);
    unsigned place = choice % PLACES;
    uint32_t slot = frame_index_find(&world->index, place_address(place));
    struct code_entry *entry = code_cache_find(world->codes, code_address(choice % CODES));
    switch (operation / 8 % 5) {
    case 0:
        world->lacks[place] = !world->lacks[place];
        break;
    case 1:
        if (slot != FRAME_UNKNOWN) {
            frame_index_remove(&world->index, slot);
        }
        break;
    case 2: /* another at its address */
        (void)code_make(input, world->layout, world->codes, choice % CODES,
                        co_flags_choose(choice));
        break;
    case 3:
        require(code_cache_put(world->codes, code_address(choice % CODES), NULL, world->now_ns) ==
                STATUS_OK);
        break;
    default:
        if (entry != NULL) {
            entry->believed_until_ns = world->now_ns - 1;
        }
        break;
    }
}

/* One operation. */
static void step(struct world *world) {
    struct input *input = &world->input;
    const struct py_layout *layout = world->layout;
    uint8_t operation = take(input);
    uint8_t *bytes = world->places[operation / 8 % PLACES];
    switch (operation % 8) {
    case 0:
        if (world->walks++ < WALKS_MAX) {
            walk(world, operation < 128);
        }
        break;
    case 1: /* ends: what frees it leaves a link */
        target_word_put(layout, bytes, 0);
        bytes[layout->frame.state] = state_choose(take(input));
        target_word_put(layout, bytes + layout->frame.back, word_choose(world));
        break;
    case 2:
        leaf_set(world, word_choose(world));
        break;
    case 3: /* goes on */
        target_int_put(bytes + layout->frame.lasti, (int32_t)(int8_t)take(input));
        break;
    case 4: {
        uint32_t at = take(input) % (chain_frame_bytes(layout) / layout->word_size);
        target_word_put(layout, bytes + (size_t)at * layout->word_size, word_choose(world));
        break;
    }
    case 5:
        forget(world, operation);
        break;
    case 6: /* yields, or goes on */
        bytes[layout->frame.state] = state_choose(take(input));
        break;
    default:
        frame_place(world);
        break;
    }
}

static void world_make(struct world *world) {
    struct input *input = &world->input;
    uint8_t options = take(input);
    world->layout = layout_find(3, 8 + options % 3, (options & 0x80) != 0 ? 4 : 8);
    world->now_ns = 1000;
    world->stack.capacity = 1U + take(input) % 32;
    world->stack.frames = allocate(world->stack.capacity * sizeof *world->stack.frames);
    require(code_cache_create(&world->codes) == STATUS_OK);
    require(call_pairs_create(&world->pairs) == STATUS_OK);
    world->state = allocate(world->layout->thread.size);
    for (unsigned i = 0; i < CODES; i++) {
        uint32_t co_flags = co_flags_choose(take(input));
        (void)code_make(input, world->layout, world->codes, i, co_flags);
    }
    for (unsigned i = 0; i < PLACES; i++) {
        world->places[i] = allocate(chain_frame_bytes(world->layout));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct world world = {.input = {.at = data, .left = size}};
    world_make(&world);
    while (world.input.left > 0) {
        step(&world);
    }
    walk(&world, true);
    walk(&world, false);
    for (unsigned i = 0; i < PLACES; i++) {
        free(world.places[i]);
    }
    free(world.state);
    free(world.stack.frames);
    chain_memory_destroy(world.stack.chain);
    frame_index_deinit(&world.index);
    call_pairs_destroy(world.pairs);
    code_cache_destroy(world.codes);
    return 0;
}
