/* HOT: no allocation, lock, log or system call, except in chain_plan_learn, which is cold, and
 * where a plan grows. */
#include "daemon/snapshot/chain_plan.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/snapshot/thread_image.h"

enum {
    GAP = 3072, /* frames so close are read as one span; less than a page, so that no hole in
                   the target's memory lies between them */
    PAGE = 4096,
    WHOLE_PAGES_FROM = 64, /* frames; of so many those that will be needed next lie around them */
    GROUP_BYTES = 16384,   /* of a span at most, so that it holds frames of like depth */
    GROUPS_MAX = 768,      /* spans of one thread; with more, wider gaps are read */
    NEIGHBOURS = 8,        /* known frames whose spans are looked at for one that is not */
    SWEEP = 64,            /* pictures between two looks for frames that were not wanted */
    SPARE_FRAMES = 32,     /* known beyond twice the stack's depth */
    CHASE_MAX = 1 << 14,
    IDLE_NS = 500 * 1000 * 1000, /* after which a frame is forgotten */
};

void chain_plan_deinit(struct chain_plan *plan) {
    frame_index_deinit(&plan->index);
    free(plan->frames);
    free(plan->order);
    free(plan->groups);
    free(plan->late);
    *plan = (struct chain_plan){.frames = NULL};
}

uint32_t chain_frame_bytes(const struct py_layout *layout) {
    uint32_t end = layout->frame.state + 1;
    return (end + layout->word_size - 1) / layout->word_size * layout->word_size;
}

/* Room beside the index for as many frames as that has. */
static enum status plan_reserve(struct chain_plan *plan) {
    uint32_t capacity = plan->index.capacity;
    if (capacity <= plan->capacity) {
        return STATUS_OK;
    }
    struct chain_frame *frames = realloc(plan->frames, capacity * sizeof *frames);
    plan->frames = frames != NULL ? frames : plan->frames;
    uint32_t *order = realloc(plan->order, capacity * sizeof *order);
    plan->order = order != NULL ? order : plan->order;
    struct chain_group *groups = realloc(plan->groups, capacity * sizeof *groups);
    plan->groups = groups != NULL ? groups : plan->groups;
    if (frames == NULL || order == NULL || groups == NULL) {
        return STATUS_NOMEM;
    }
    plan->capacity = capacity;
    return STATUS_OK;
}

/* Where in the order the frame at `address` is, or belongs. */
static uint32_t order_find(const struct chain_plan *plan, uint64_t address) {
    uint32_t low = 0;
    uint32_t high = plan->index.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (plan->index.frames[plan->order[middle]].address < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Forgets frames that were not wanted for longer than `age_ns`, or cannot be read any more. */
static void plan_forget(struct chain_plan *plan, uint64_t age_ns, uint64_t now_ns) {
    uint32_t kept = 0;
    const uint32_t count = plan->index.count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = plan->order[i];
        if (now_ns - plan->frames[slot].last_wanted_ns > age_ns ||
            plan->index.frames[slot].bytes == NULL) {
            frame_index_remove(&plan->index, slot);
        } else {
            plan->order[kept++] = slot;
        }
    }
    plan->stale = plan->stale || kept < count;
}

/* Forgets the older half of the frames that were not wanted now, by time, until `most` are left. */
static void plan_shrink(struct chain_plan *plan, uint32_t most, uint64_t now_ns) {
    uint64_t age_ns = IDLE_NS;
    while (plan->index.count > most) {
        age_ns /= 2;
        plan_forget(plan, age_ns, now_ns);
        if (age_ns == 0) {
            return;
        }
    }
}

/* The slot of the frame at `address`, which becomes known if it is not. FRAME_UNKNOWN when there is
 * no room. */
static uint32_t plan_know(struct chain_plan *plan, uint64_t address, uint32_t depth,
                          uint64_t now_ns) {
    uint32_t slot = frame_index_find(&plan->index, address);
    if (slot == FRAME_UNKNOWN) {
        uint32_t at = order_find(plan, address);
        slot = frame_index_add(&plan->index, address);
        if (slot == FRAME_UNKNOWN) {
            return slot;
        }
        if (plan_reserve(plan) != STATUS_OK) {
            frame_index_remove(&plan->index, slot);
            return FRAME_UNKNOWN;
        }
        memmove(&plan->order[at + 1], &plan->order[at],
                (plan->index.count - 1 - at) * sizeof *plan->order);
        plan->order[at] = slot;
        plan->frames[slot].group = CHAIN_NO_GROUP;
        plan->stale = true;
    }
    plan->frames[slot].last_wanted_ns = now_ns;
    plan->frames[slot].depth = depth;
    return slot;
}

/* Sorts the groups, the innermost first. In place, and quick for the few hundred that there are. */
static void groups_sort(struct chain_group *groups, uint32_t count) {
    for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < count; i++) {
            struct chain_group moved = groups[i];
            uint32_t j = i;
            for (; j >= gap && groups[j - gap].depth < moved.depth; j -= gap) {
                groups[j] = groups[j - gap];
            }
            groups[j] = moved;
        }
    }
}

static void groups_make(struct chain_plan *plan, uint32_t frame_bytes) {
    for (uint64_t gap = GAP;; gap *= 2) {
        plan->group_count = 0;
        for (uint32_t i = 0; i < plan->index.count; i++) {
            uint64_t address = plan->index.frames[plan->order[i]].address;
            uint32_t depth = plan->frames[plan->order[i]].depth;
            struct chain_group *last = &plan->groups[plan->group_count - 1];
            if (plan->group_count > 0 && address - last->start < last->size + gap &&
                address - last->start < GROUP_BYTES * (gap / GAP)) {
                last->size = (uint32_t)(address - last->start) + frame_bytes;
                last->count++;
                last->depth = depth > last->depth ? depth : last->depth;
            } else {
                plan->groups[plan->group_count++] = (struct chain_group){
                    .start = address, .size = frame_bytes, .first = i, .count = 1, .depth = depth};
            }
        }
        if (plan->group_count <= GROUPS_MAX) {
            break;
        }
    }
    for (uint32_t i = 0; plan->index.count > WHOLE_PAGES_FROM && i < plan->group_count; i++) {
        struct chain_group *group = &plan->groups[i];
        uint64_t end = (group->start + group->size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
        group->start &= ~(uint64_t)(PAGE - 1);
        group->size = (uint32_t)(end - group->start);
    }
    groups_sort(plan->groups, plan->group_count);
    for (uint32_t i = 0; i < plan->group_count; i++) {
        const struct chain_group *group = &plan->groups[i];
        for (uint32_t j = group->first; j < group->first + group->count; j++) {
            plan->frames[plan->order[j]].group = i;
        }
    }
    plan->stale = false;
}

/* Index of the group of the frame at `address`, or of what lies before it. */
static uint32_t group_near(const struct chain_plan *plan, uint64_t address) {
    uint32_t at = order_find(plan, address + 1);
    while (at > 0 && plan->frames[plan->order[at - 1]].group == CHAIN_NO_GROUP) {
        at--;
    }
    return at == 0 ? CHAIN_NO_GROUP : plan->frames[plan->order[at - 1]].group;
}

/* The group that is read as the i-th: from the one that was aimed at outwards, then what is further
 * in. */
static uint32_t group_at(const struct chain_plan *plan, uint32_t i) {
    uint32_t outwards = plan->group_count - plan->first_group;
    return i < outwards ? plan->first_group + i : plan->group_count - 1 - i;
}

bool chain_plan_add(struct chain_plan *plan, const struct py_layout *layout, struct raddr state,
                    struct picture *picture) {
    if (plan->stale) {
        groups_make(plan, chain_frame_bytes(layout));
    }
    uint32_t first = plan->leaf == 0 ? CHAIN_NO_GROUP : group_near(plan, plan->leaf);
    plan->first_group = first == CHAIN_NO_GROUP ? 0 : first;
    plan->leaf = 0;
    for (uint32_t i = 0; i < plan->group_count; i++) {
        const struct chain_group *group = &plan->groups[group_at(plan, i)];
        if (picture_add(picture, raddr_make(group->start), group->size) == PICTURE_FULL) {
            return false;
        }
    }
    plan->again = !plan->settled && plan->group_count > 0;
    return !plan->again || picture_add(picture, raddr_add(state, layout->thread.frame),
                                       layout->word_size) != PICTURE_FULL;
}

const uint8_t *chain_plan_image(struct chain_plan *plan, const struct py_layout *layout,
                                const struct picture *picture, uint32_t first_span) {
    const uint32_t frame_bytes = chain_frame_bytes(layout);
    plan->late_count = 0;
    for (uint32_t i = 0; i < plan->group_count; i++) {
        struct chain_group *group = &plan->groups[group_at(plan, i)];
        const uint8_t *bytes = picture_span_bytes(picture, first_span + i);
        uint32_t got = picture->spans[first_span + i].got;
        group->bytes = bytes;
        group->got = got;
        for (uint32_t j = group->first; j < group->first + group->count; j++) {
            struct indexed_frame *frame = &plan->index.frames[plan->order[j]];
            uint64_t at = frame->address - group->start;
            frame->bytes = at + frame_bytes <= got ? bytes + at : NULL;
        }
    }
    const uint32_t last = first_span + plan->group_count;
    return plan->again && picture->spans[last].got == layout->word_size
               ? picture_span_bytes(picture, last)
               : NULL;
}

void chain_plan_want(struct chain_plan *plan, uint64_t address, uint32_t depth, uint64_t now_ns) {
    (void)plan_know(plan, address, depth, now_ns);
}

void chain_plan_expire(struct chain_plan *plan, uint32_t depth, uint64_t now_ns) {
    plan->deepest = depth > plan->deepest ? depth : plan->deepest;
    plan_shrink(plan, 4 * plan->deepest + SPARE_FRAMES, now_ns);
    if (++plan->follows < SWEEP) {
        return;
    }
    plan->follows = 0;
    plan->deepest -= (plan->deepest - depth) / 64;
    plan_forget(plan, IDLE_NS, now_ns);
}

/* What the picture at hand holds of a frame that is not known yet, but lies in the span of the
 * known one at `at` in the order; NULL if it does not. */
static const uint8_t *span_covers(const struct chain_plan *plan, uint32_t at, uint64_t address,
                                  uint32_t frame_bytes) {
    uint32_t group = plan->frames[plan->order[at]].group;
    if (group == CHAIN_NO_GROUP) {
        return NULL;
    }
    const struct chain_group *in = &plan->groups[group];
    uint64_t offset = address - in->start;
    return address >= in->start && offset + frame_bytes <= in->got ? in->bytes + offset : NULL;
}

/* The same for any known frame's span. `*group` is that span's group. */
static const uint8_t *plan_covers(const struct chain_plan *plan, uint64_t address,
                                  uint32_t frame_bytes, uint32_t *group) {
    uint32_t at = order_find(plan, address);
    const uint8_t *bytes = NULL;
    const uint32_t first = at > NEIGHBOURS ? at - NEIGHBOURS : 0;
    for (uint32_t before = at; before > first && bytes == NULL; before--) {
        bytes = span_covers(plan, before - 1, address, frame_bytes);
        *group = plan->frames[plan->order[before - 1]].group;
        if (*group != CHAIN_NO_GROUP) {
            break;
        }
    }
    const uint32_t last = plan->index.count - at > NEIGHBOURS ? at + NEIGHBOURS : plan->index.count;
    for (; at < last && bytes == NULL; at++) {
        bytes = span_covers(plan, at, address, frame_bytes);
        *group = plan->frames[plan->order[at]].group;
        if (*group != CHAIN_NO_GROUP) {
            break;
        }
    }
    return bytes;
}

enum status chain_plan_learn(struct chain_plan *plan, const struct memory *memory,
                             const struct py_layout *layout, uint64_t address, uint64_t now_ns) {
    const unsigned w = layout->word_size;
    const uint32_t frame_bytes = chain_frame_bytes(layout);
    if (plan->late == NULL) {
        plan->late = malloc((size_t)CHAIN_LATE_MAX * CHAIN_FRAME_BYTES_MAX);
        if (plan->late == NULL) {
            return STATUS_NOMEM;
        }
    }
    bool all_late = true;
    for (uint32_t n = 0; n < CHASE_MAX && address != 0; n++) {
        plan->deepest = n > plan->deepest ? n : plan->deepest;
        uint8_t late_bytes[CHAIN_FRAME_BYTES_MAX];
        uint32_t group = CHAIN_NO_GROUP;
        uint32_t slot = frame_index_find(&plan->index, address);
        if (slot != FRAME_UNKNOWN && plan->index.frames[slot].bytes != NULL) {
            break;
        }
        const uint8_t *bytes = plan_covers(plan, address, frame_bytes, &group);
        if (bytes == NULL) {
            enum status status = memory_read(memory, raddr_make(address), late_bytes, frame_bytes);
            if (status != STATUS_OK) {
                return n == 0 || status != STATUS_TORN ? status : STATUS_OK;
            }
            group = CHAIN_NO_GROUP;
        }
        if (slot == FRAME_UNKNOWN) {
            slot = plan_know(plan, address, UINT16_MAX, now_ns);
        }
        if (slot == FRAME_UNKNOWN) {
            return STATUS_NOMEM;
        }
        if (bytes != NULL) {
            plan->index.frames[slot].bytes = bytes;
            plan->frames[slot].group = group;
        } else if (plan->late_count < CHAIN_LATE_MAX) {
            uint8_t *late = plan->late + (size_t)plan->late_count++ * CHAIN_FRAME_BYTES_MAX;
            bytes = memcpy(late, late_bytes, frame_bytes);
            plan->index.frames[slot].bytes = bytes;
        } else {
            bytes = late_bytes;
            all_late = false;
        }
        /* What a dead frame's link leads to is asked for if it matters. */
        address = image_word(bytes, w) == 0 ? 0 : image_word(bytes + layout->frame.back, w);
    }
    return all_late ? STATUS_OK : STATUS_TORN;
}
