/* HOT: no allocation, lock, log or system call, except in thread_plan_learn, which is cold. */
#include "daemon/snapshot/thread_plan.h"

#include <stdlib.h>

enum {
    CHUNK_SLACK = 512, /* bytes read beyond the top: a frame may be pushed meanwhile */
    CHUNK_WHOLE =
        16384,        /* the usual size: DATA_STACK_CHUNK_SIZE in Python/pystate.c, 3.11 to 3.15 */
    CHUNK_STEP = 256, /* lengths are multiples of it, so that they seldom change */
    CHUNK_EDGE = 128, /* with so much left of a page the next one, which costs, is not begun */
    PAGE = 4096,
    OUTSIDE_IDLE_NS = 100 * 1000 * 1000, /* after which an outside frame is forgotten */
    CHUNK_IDLE = 256,   /* pictures after which chunks that are not in use are forgotten */
    MERGE_GAP = 8192,   /* outside frames so close are read as one span */
    ADDRESS_MIN = 4096, /* nothing lies below: vm.mmap_min_addr */
};

void thread_plan_init(struct thread_plan *plan, struct raddr state) {
    *plan = (struct thread_plan){.state = state, .changed = true};
}

void thread_plan_deinit(struct thread_plan *plan) {
    free(plan->chunks);
    free(plan->chunk_extents);
    chain_plan_deinit(&plan->chain);
    *plan = (struct thread_plan){.chunks = NULL};
}

static enum status chunks_reserve(struct thread_plan *plan, uint32_t count) {
    if (count <= plan->chunk_capacity) {
        return STATUS_OK;
    }
    uint32_t capacity = plan->chunk_capacity == 0 ? 4 : plan->chunk_capacity * 2;
    struct plan_chunk *chunks = realloc(plan->chunks, capacity * sizeof *chunks);
    if (chunks == NULL) {
        return STATUS_NOMEM;
    }
    plan->chunks = chunks;
    struct extent *extents = realloc(plan->chunk_extents, capacity * sizeof *extents);
    if (extents == NULL) {
        return STATUS_NOMEM;
    }
    plan->chunk_extents = extents;
    plan->chunk_capacity = capacity;
    return STATUS_OK;
}

/* Bytes to read of a chunk of which `used` bytes are in use. */
static uint32_t chunk_length(uint32_t size, uint64_t used) {
    uint64_t length = (used + CHUNK_SLACK + CHUNK_STEP - 1) / CHUNK_STEP * CHUNK_STEP;
    uint64_t page_end = (used + CHUNK_EDGE + PAGE - 1) / PAGE * PAGE;
    length = length < page_end ? length : page_end;
    return length < size ? (uint32_t)length : size;
}

/* Whether all of a chunk is read, whatever is in use: a stack of several is full and empty again
 * between the reading of the thread state, which tells, and that of the chunk. */
static bool chunk_whole(const struct thread_plan *plan, const struct plan_chunk *chunk) {
    return plan->chunk_count > 1 && chunk->size <= CHUNK_WHOLE;
}

/* Bytes in use of the last chunk, by the thread state's datastack_top. */
static uint64_t chunk_used(const struct plan_chunk *chunk, uint64_t top) {
    return top >= chunk->address && top - chunk->address <= chunk->size ? top - chunk->address : 0;
}

enum status thread_plan_learn(struct thread_plan *plan, const struct memory *memory,
                              const struct py_layout *layout) {
    const unsigned w = layout->word_size;
    uint64_t address = 0;
    uint64_t top = 0;
    enum status status =
        memory_read_word(memory, raddr_add(plan->state, layout->thread.datastack_chunk), &address);
    if (status == STATUS_OK) {
        status =
            memory_read_word(memory, raddr_add(plan->state, layout->thread.datastack_top), &top);
    }
    if (status != STATUS_OK) {
        return status;
    }
    plan->changed = true;
    plan->chunk_count = 0;
    for (uint64_t next = address; next != 0;) {
        uint8_t header[4 * sizeof(uint64_t)];
        if (plan->chunk_count == PLAN_CHUNKS_MAX) {
            return STATUS_TORN;
        }
        status = chunks_reserve(plan, plan->chunk_count + 1);
        if (status == STATUS_OK) {
            status = memory_read(memory, raddr_make(next), header, layout->chunk.data);
        }
        if (status != STATUS_OK) {
            plan->chunk_count = 0;
            return status;
        }
        uint64_t size = image_word(header + layout->chunk.size, w);
        uint64_t used = layout->chunk.data + image_word(header + layout->chunk.top, w) * w;
        if (size < layout->chunk.data || size > CHUNK_BYTES_MAX || next % w != 0) {
            plan->chunk_count = 0;
            return STATUS_TORN;
        }
        struct plan_chunk *chunk = &plan->chunks[plan->chunk_count++];
        *chunk = (struct plan_chunk){.address = next, .size = (uint32_t)size};
        if (next == address) {
            chunk->length = chunk_length(chunk->size, chunk_used(chunk, top));
        } else {
            chunk->length = used < size ? (uint32_t)used : (uint32_t)size;
        }
        next = image_word(header + layout->chunk.previous, w);
    }
    /* Found from the newest to the oldest; read the other way round. */
    for (uint32_t i = 0, j = plan->chunk_count; i + 1 < j; i++, j--) {
        struct plan_chunk swap = plan->chunks[i];
        plan->chunks[i] = plan->chunks[j - 1];
        plan->chunks[j - 1] = swap;
    }
    for (uint32_t i = 0; i < plan->chunk_count; i++) {
        if (chunk_whole(plan, &plan->chunks[i])) {
            plan->chunks[i].length = plan->chunks[i].size;
        }
    }
    return STATUS_OK;
}

/* Adds the outside frames, neighbours as one span. */
static bool outside_add(struct thread_plan *plan, struct picture *picture) {
    plan->outside_spans = 0;
    for (uint32_t i = 0; i < plan->outside_count;) {
        uint64_t start = plan->outside[i].address - PLAN_OUTSIDE_BEFORE;
        uint64_t end = start;
        do {
            uint64_t next_end = plan->outside[i].address + plan->outside[i].size;
            end = next_end > end ? next_end : end;
            plan->outside[i].span = plan->outside_spans;
            i++;
        } while (i < plan->outside_count && plan->outside[i].address < end + MERGE_GAP);
        if (picture_add(picture, raddr_make(start), (uint32_t)(end - start)) == PICTURE_FULL) {
            return false;
        }
        plan->outside_spans++;
    }
    return true;
}

uint32_t thread_plan_add(struct thread_plan *plan, const struct py_layout *layout,
                         struct picture *picture) {
    bool alone = plan->chain.alone;
    plan->chain.alone = false;
    if (plan->chain.apart > 0 && !alone) {
        plan->changed = false;
        return PICTURE_FULL;
    }
    uint32_t first = picture_add(picture, plan->state, layout->thread.size);
    if (first == PICTURE_FULL) {
        return PICTURE_FULL;
    }
    if (layout->frame_model == FRAME_MODEL_HEAP_CHAIN) {
        plan->changed = false;
        return chain_plan_add(&plan->chain, layout, plan->state, picture) ? first : PICTURE_FULL;
    }
    for (uint32_t i = 0; i < plan->chunk_count; i++) {
        if (picture_add(picture, raddr_make(plan->chunks[i].address), plan->chunks[i].length) ==
            PICTURE_FULL) {
            return PICTURE_FULL;
        }
    }
    if (!outside_add(plan, picture)) {
        return PICTURE_FULL;
    }
    plan->again = false;
    for (uint32_t i = 0; i < plan->outside_count && plan->chunk_count > 0; i++) {
        plan->again = plan->again || plan->outside[i].generator;
    }
    if (plan->again) {
        const struct plan_chunk *chunk = &plan->chunks[plan->chunk_count - 1];
        if (picture_add(picture, raddr_make(chunk->address), chunk->length) == PICTURE_FULL) {
            return PICTURE_FULL;
        }
    }
    plan->changed = false;
    return first;
}

static struct extent span_extent(const struct picture *picture, uint32_t index) {
    const struct span *span = &picture->spans[index];
    return (struct extent){
        .address = span->address.v,
        .bytes = picture_span_bytes(picture, index),
        .size = span->got,
    };
}

/* Index of the chunk at `address`; chunk_count if the plan does not have it. The last are the
 * likeliest. */
static uint32_t chunk_find(const struct thread_plan *plan, uint64_t address) {
    for (uint32_t i = plan->chunk_count; i > 0; i--) {
        if (plan->chunks[i - 1].address == address) {
            return i - 1;
        }
    }
    return plan->chunk_count;
}

/* What cannot be read of a span (a window onto the C stack may reach beyond its end) is not asked
 * for again: it would end the system call, and those behind the span would take another one. */
static void outside_trim(struct thread_plan *plan, const struct span *span) {
    uint64_t end = span->address.v + span->got;
    for (uint32_t i = 0; i < plan->outside_count; i++) {
        struct plan_outside *outside = &plan->outside[i];
        uint64_t start = outside->address - PLAN_OUTSIDE_BEFORE;
        if (start - span->address.v >= span->size || outside->address + outside->size <= end) {
            continue;
        }
        if (outside->address < end) {
            outside->size = (uint32_t)(end - outside->address);
        } else {
            outside->wanted_ns = 0; /* forgotten, unless it is wanted again */
        }
        plan->changed = true;
    }
}

enum status thread_plan_image(struct thread_plan *plan, const struct py_layout *layout,
                              const struct picture *picture, uint32_t first_span,
                              struct thread_image *image) {
    if (picture->spans[first_span].got < layout->thread.size) {
        return STATUS_ABSENT;
    }
    *image = (struct thread_image){.state = picture_span_bytes(picture, first_span)};
    if (layout->frame_model == FRAME_MODEL_HEAP_CHAIN) {
        image->leaf_again = chain_plan_image(&plan->chain, layout, picture, first_span + 1);
        image->frames = &plan->chain.index;
        return STATUS_OK;
    }
    uint32_t span = first_span + 1;
    for (uint32_t i = 0; i < plan->chunk_count; i++) {
        plan->chunk_extents[i] = span_extent(picture, span++);
        plan->chunk_extents[i].whole = plan->chunks[i].size;
    }
    for (uint32_t i = 0; i < plan->outside_spans; i++) {
        if (picture->spans[span].got < picture->spans[span].size) {
            outside_trim(plan, &picture->spans[span]);
        }
        plan->outside_extents[i] = span_extent(picture, span++);
    }
    image->chunks = plan->chunk_extents;
    image->chunk_count = plan->chunk_count;
    image->outside = plan->outside_extents;
    image->outside_count = plan->outside_spans;
    image->generators = plan->generators;
    image->generator_count = 0;
    for (uint32_t i = 0; i < plan->outside_count; i++) {
        if (plan->outside[i].generator) {
            plan->generators[image->generator_count++] = plan->outside[i].address;
        }
    }
    image->again = plan->again ? span_extent(picture, span) : (struct extent){.bytes = NULL};
    uint64_t now = image_word(image->state + layout->thread.datastack_chunk, layout->word_size);
    return now == 0 || chunk_find(plan, now) < plan->chunk_count ? STATUS_OK : STATUS_TORN;
}

void thread_plan_keep(struct thread_plan *plan, uint32_t extents, uint64_t now_ns) {
    for (uint32_t i = 0; extents != 0 && i < plan->outside_count; i++) {
        if (plan->outside[i].span < plan->outside_spans &&
            (extents >> plan->outside[i].span & 1) != 0) {
            plan->outside[i].wanted_ns = now_ns;
        }
    }
}

void thread_plan_expire(struct thread_plan *plan, uint64_t now_ns) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < plan->outside_count; i++) {
        if (now_ns - plan->outside[i].wanted_ns <= OUTSIDE_IDLE_NS) {
            plan->outside[kept++] = plan->outside[i];
        }
    }
    plan->changed = plan->changed || kept < plan->outside_count;
    plan->outside_count = kept;
}

void thread_plan_want(struct thread_plan *plan, uint64_t address, uint32_t size, bool generator,
                      uint64_t now_ns) {
    if (address < ADDRESS_MIN || address % sizeof(uint32_t) != 0) {
        return; /* a word that was overwritten: no frame is there */
    }
    uint32_t at = 0;
    while (at < plan->outside_count && plan->outside[at].address < address) {
        at++;
    }
    if (at < plan->outside_count && plan->outside[at].address == address) {
        plan->outside[at].wanted_ns = now_ns;
        if (!generator && plan->outside[at].size < size) { /* what was cut off is needed */
            plan->outside[at].size = size;
            plan->changed = true;
        }
        plan->changed = plan->changed || (generator && !plan->again);
        plan->outside[at].generator = plan->outside[at].generator || generator;
        return;
    }
    if (plan->outside_count == PLAN_OUTSIDE_MAX) {
        uint32_t oldest = 0;
        for (uint32_t i = 1; i < plan->outside_count; i++) {
            if (plan->outside[i].wanted_ns < plan->outside[oldest].wanted_ns) {
                oldest = i;
            }
        }
        memmove(&plan->outside[oldest], &plan->outside[oldest + 1],
                (plan->outside_count - oldest - 1) * sizeof plan->outside[0]);
        plan->outside_count--;
        at -= oldest < at ? 1 : 0;
    }
    memmove(&plan->outside[at + 1], &plan->outside[at],
            (plan->outside_count - at) * sizeof plan->outside[0]);
    plan->outside[at] = (struct plan_outside){
        .address = address,
        .size = size,
        .wanted_ns = now_ns,
        .span = PLAN_SPAN_NONE,
        .generator = generator,
    };
    plan->outside_count++;
    plan->changed = true;
}

/* Fits the length that is read of a chunk to the bytes that are in use of it. */
static void chunk_fit(struct thread_plan *plan, struct plan_chunk *chunk, uint64_t used) {
    uint32_t length = chunk_whole(plan, chunk) ? chunk->size : chunk_length(chunk->size, used);
    if (length > chunk->length) {
        chunk->length = length;
        plan->changed = true;
    } else if (chunk->length - length >= 4 * CHUNK_STEP) {
        /* Shrink slowly: a stack that breathes would else be too long for every second picture. */
        chunk->length -= CHUNK_STEP;
        plan->changed = true;
    }
}

void thread_plan_fit(struct thread_plan *plan, const struct py_layout *layout,
                     const struct thread_image *image) {
    const unsigned w = layout->word_size;
    if (plan->chunk_count == 0) {
        return;
    }
    uint32_t last = chunk_find(plan, image_word(image->state + layout->thread.datastack_chunk, w));
    for (uint32_t i = 0; i < last && i < plan->chunk_count; i++) {
        const struct extent *extent = &image->chunks[i];
        if (extent->size >= layout->chunk.data) {
            uint64_t used = image_word(extent->bytes + layout->chunk.top, w) * w;
            chunk_fit(plan, &plan->chunks[i],
                      used <= CHUNK_BYTES_MAX ? used + layout->chunk.data : 0);
        }
    }
    if (last < plan->chunk_count) {
        uint64_t top = image_word(image->state + layout->thread.datastack_top, w);
        chunk_fit(plan, &plan->chunks[last], chunk_used(&plan->chunks[last], top));
    }
    /* A chunk that was popped often comes back at the same address: it is still read for a while.
     */
    plan->idle = last + 1 < plan->chunk_count ? plan->idle + 1 : 0;
    if (plan->idle > CHUNK_IDLE) {
        plan->chunk_count = last + 1;
        plan->idle = 0;
        plan->changed = true;
    }
}
