/* Any picture of a datastack, of any minor that has one: the walk ends, stays within the picture
 * and the stack's room, and what it finds holds together. Input: minor and options, code objects,
 * then operations that put words into the picture or have it walked; all by small numbers, so that
 * a mutation seldom makes it senseless as a whole. */
#include "daemon/decode/frame_walk.h"
#include "program_fuzz.h"

enum {
    CODES = 6,
    CHUNKS_MAX = 3,
    OUTSIDE = 3,
    AREAS = CHUNKS_MAX + OUTSIDE,
    AREA_BYTES = 2048,
    PLACED_MAX = 64,
    WALKS_MAX = 12,
    LESSONS_MAX = 64,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A made-up process: what its memory holds, and what is known of it. */
struct world {
    struct input input;
    const struct py_layout *layout;
    struct code_cache *codes;
    struct call_pairs *pairs;
    uint32_t code_words[CODES];
    uint8_t *state;
    struct extent areas[AREAS]; /* the chunks, then what is outside; `bytes` are ours */
    uint8_t *bytes[AREAS];
    uint32_t cursor[AREAS];
    uint32_t chunk_count;
    uint64_t placed[PLACED_MAX];
    uint32_t placed_count;
    uint64_t generators[STACK_GENERATORS_MAX];
    uint32_t generator_count;
    uint8_t *again_bytes;
    struct extent again;
    struct stack stack;
    uint64_t now_ns;
    unsigned walks;
};

/* A word that is likely to mean something. */
static uint64_t word_choose(struct world *world) {
    struct input *input = &world->input;
    const unsigned w = world->layout->word_size;
    uint8_t kind = take(input);
    uint64_t raw = 0;
    switch (kind % 8) {
    case 1: {
        unsigned code = take(input) % CODES;
        return code_address(code) + world->layout->code.bytecode + 2U * take(input) - 2;
    }
    case 2:
        return code_address(take(input) % (CODES + 1)) + kind / 8 % 4;
    case 3: {
        uint8_t back = take(input);
        return back < world->placed_count ? world->placed[world->placed_count - 1 - back] : 0;
    }
    case 4:
    case 5: {
        unsigned area = take(input) % AREAS;
        return world->areas[area].address + (uint64_t)take(input) * w;
    }
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

static void state_put(const struct world *world, uint32_t field, uint64_t word) {
    if (field != LAYOUT_ABSENT) {
        target_word_put(world->layout, world->state + field, word);
    }
}

/* Puts a frame at an area's cursor, and moves that behind it. */
static void frame_place(struct world *world) {
    struct input *input = &world->input;
    const struct py_layout *layout = world->layout;
    const unsigned w = layout->word_size;
    unsigned area = take(input) % AREAS;
    unsigned code = take(input) % CODES;
    uint32_t unit = take(input);
    uint64_t previous = word_choose(world);
    int32_t depth = take(input);
    depth -= depth < 128 ? 0 : 256;
    uint8_t owner = take(input);
    uint8_t state = take(input);
    uint64_t instr = code_address(code) + layout->code.bytecode + 2U * unit;
    uint32_t at = world->cursor[area];
    if (at > AREA_BYTES - layout->iframe.localsplus) {
        return;
    }
    uint8_t *bytes = world->bytes[area] + at;
    uint64_t address = world->areas[area].address + at;
    target_word_put(layout, bytes + layout->iframe.executable, code_address(code));
    target_word_put(layout, bytes + layout->iframe.previous, previous);
    target_word_put(layout, bytes + layout->iframe.instr,
                    layout->instr_is_prev ? instr - 2 : instr);
    if (layout->frame_model == FRAME_MODEL_STACKTOP) {
        target_int_put(bytes + layout->iframe.stacktop, depth);
    } else {
        target_word_put(layout, bytes + layout->iframe.stackpointer,
                        address + layout->iframe.localsplus + (uint64_t)(int64_t)depth * w);
    }
    bytes[layout->iframe.owner] = owner;
    if (layout->iframe.is_entry != LAYOUT_ABSENT) {
        bytes[layout->iframe.is_entry] = owner;
    }
    if (area >= world->chunk_count) {
        uint32_t before = layout->generator.iframe - layout->generator.frame_state;
        if (before <= at) {
            bytes[-(int64_t)before] = state;
        }
    }
    world->placed[world->placed_count++ % PLACED_MAX] = address;
    world->placed_count -= world->placed_count > PLACED_MAX ? 1 : 0;
    world->cursor[area] = at + world->code_words[code] * w;
    if (area < world->chunk_count) {
        uint64_t top = world->areas[area].address + world->cursor[area];
        state_put(world, layout->thread.datastack_chunk, world->areas[area].address);
        state_put(world, layout->thread.datastack_top, top);
        state_put(world, layout->thread.current_frame, address);
        target_word_put(layout, world->bytes[area] + layout->chunk.top,
                        (world->cursor[area] - layout->chunk.data) / w);
    }
}

/* Copies what there is of an area: as much as a read would have got. */
static struct extent area_copy(const struct world *world, unsigned area, uint8_t **out) {
    uint32_t size = world->areas[area].size;
    *out = allocate(size);
    memcpy(*out, world->bytes[area], size);
    struct extent extent = world->areas[area];
    extent.bytes = *out;
    return extent;
}

static void stack_check(const struct world *world) {
    const struct stack *stack = &world->stack;
    require(stack->depth <= stack->capacity && stack->same <= stack->depth);
    require(stack->last_depth == stack->depth);
    for (uint32_t i = 0; i < stack->depth; i++) {
        const struct frame *frame = &stack->frames[i];
        require(frame->code != NULL && frame->unit < frame->code->units);
        require(frame->flags == frame->code->unit_flags[frame->unit]);
        require(frame->header.executable == frame->code->address.v);
    }
}

/* Walks the picture as it is now, learning what the walk asks for. */
static void walk(struct world *world, bool patient) {
    uint8_t *copies[AREAS];
    struct extent extents[AREAS];
    uint8_t *state = allocate(world->layout->thread.size);
    memcpy(state, world->state, world->layout->thread.size);
    for (unsigned i = 0; i < AREAS; i++) {
        extents[i] = area_copy(world, i, &copies[i]);
    }
    const struct thread_image image = {
        .state = state,
        .chunks = extents,
        .chunk_count = world->chunk_count,
        .outside = extents + world->chunk_count,
        .outside_count = AREAS - world->chunk_count,
        .generators = world->generators,
        .generator_count = world->generator_count,
        .again = world->again,
    };
    for (unsigned lesson = 0; lesson < LESSONS_MAX; lesson++) {
        struct walk_result result = frame_walk(world->layout, world->codes, world->pairs, &image,
                                               world->now_ns, patient, &world->stack);
        if (result.outcome != WALK_NEED_CODE) {
            require(patient || result.outcome == WALK_DONE);
            if (result.outcome == WALK_DONE) {
                stack_check(world);
            }
            break;
        }
        require(result.need != 0);
        const struct code_entry *entry = code_cache_find(world->codes, result.need);
        require(entry == NULL || entry->believed_until_ns < world->now_ns);
        require(code_cache_put(world->codes, result.need, NULL, world->now_ns) == STATUS_OK);
    }
    world->now_ns += 1000;
    for (unsigned i = 0; i < AREAS; i++) {
        free(copies[i]);
    }
    free(state);
}

/* One operation. */
static void step(struct world *world) {
    struct input *input = &world->input;
    const struct py_layout *layout = world->layout;
    const unsigned w = layout->word_size;
    uint8_t operation = take(input);
    unsigned area = operation / 8 % AREAS;
    switch (operation % 8) {
    case 0:
        if (world->walks++ < WALKS_MAX) {
            walk(world, operation < 128);
        }
        break;
    case 1: { /* any word anywhere */
        uint32_t at = take(input) * w;
        if (at <= AREA_BYTES - w) {
            target_word_put(layout, world->bytes[area] + at, word_choose(world));
        }
        break;
    }
    case 2: {
        const uint32_t fields[] = {layout->thread.datastack_chunk, layout->thread.datastack_top,
                                   layout->thread.current_frame, layout->thread.cframe};
        state_put(world, fields[operation / 8 % 4], word_choose(world));
        break;
    }
    case 3:
        world->cursor[area] = take(input) * w;
        break;
    case 4: /* a short read */
        world->areas[area].size = AREA_BYTES - take(input) * w % AREA_BYTES;
        break;
    case 5:
        if (world->generator_count < STACK_GENERATORS_MAX) {
            world->generators[world->generator_count++] = word_choose(world);
        }
        break;
    case 6:
        free(world->again_bytes);
        world->again = area_copy(world, area, &world->again_bytes);
        break;
    default:
        frame_place(world);
        break;
    }
}

static void world_make(struct world *world) {
    struct input *input = &world->input;
    uint8_t options = take(input);
    world->layout = layout_find(3, 11 + options % 5, (options & 0x80) != 0 ? 4 : 8);
    world->chunk_count = 1 + options / 8 % CHUNKS_MAX;
    world->now_ns = 1000;
    world->stack.capacity = 1U + take(input) % 64;
    world->stack.frames = allocate(world->stack.capacity * sizeof *world->stack.frames);
    require(code_cache_create(&world->codes) == STATUS_OK);
    require(call_pairs_create(&world->pairs) == STATUS_OK);
    const struct py_layout *layout = world->layout;
    world->state = allocate(layout->thread.size);
    for (unsigned i = 0; i < CODES; i++) {
        world->code_words[i] = code_make(&world->input, layout, world->codes, i, 0)->frame_words;
    }
    for (unsigned i = 0; i < AREAS; i++) {
        world->bytes[i] = allocate(AREA_BYTES);
        world->areas[i] = (struct extent){
            .address = 0x100000 + i * UINT64_C(0x2000), .size = AREA_BYTES, .whole = 4096};
        if (i < world->chunk_count) {
            world->cursor[i] = layout->chunk.data + (i == 0 ? layout->word_size : 0);
            target_word_put(layout, world->bytes[i] + layout->chunk.size, 4096);
            target_word_put(layout, world->bytes[i] + layout->chunk.previous,
                            i == 0 ? 0 : world->areas[i - 1].address);
        } else {
            world->cursor[i] = 128;
        }
    }
    state_put(world, layout->thread.datastack_chunk, world->areas[0].address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct world world = {.input = {.at = data, .left = size}};
    world_make(&world);
    while (world.input.left > 0) {
        step(&world);
    }
    walk(&world, true);
    walk(&world, false);
    for (unsigned i = 0; i < AREAS; i++) {
        free(world.bytes[i]);
    }
    free(world.again_bytes);
    free(world.state);
    free(world.stack.frames);
    call_pairs_destroy(world.pairs);
    code_cache_destroy(world.codes);
    return 0;
}
