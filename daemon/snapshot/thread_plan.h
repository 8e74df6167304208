/* thread_plan: which spans of memory make up the picture of one thread, learned from the last
 * pictures of it. Owned by the sampler's record of the thread and used by its thread only. HOT
 * where marked.
 *
 * Datastack (3.11 on): the thread state, the used part of every chunk, oldest first, then the
 * frames outside it that were part of the last stacks: generators read after the chunks are the
 * same or a readable corpse; read before them, some do not exist yet (docs/sampling.md). Heap chain
 * (to 3.10): the thread state, then the frames of the last stacks (chain_plan.h). */
#ifndef ECHION_DAEMON_SNAPSHOT_THREAD_PLAN_H
#define ECHION_DAEMON_SNAPSHOT_THREAD_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/python/layout.h"
#include "daemon/snapshot/chain_plan.h"
#include "daemon/snapshot/picture.h"
#include "daemon/snapshot/thread_image.h"
#include "daemon/target/memory.h"

enum {
    PLAN_CHUNKS_MAX = 1024,   /* 16 MiB of datastack: some 150,000 frames */
    PLAN_OUTSIDE_BEFORE = 16, /* bytes read before such a frame: a generator's state is there */
    PLAN_OUTSIDE_MAX = 16,    /* frames outside the datastack that are read along */
};

#define PLAN_SPAN_NONE UINT32_MAX

struct plan_chunk {
    uint64_t address;
    uint32_t size;   /* bytes that the chunk has */
    uint32_t length; /* bytes that are read of it */
};

struct plan_outside {
    uint64_t address;
    uint32_t size;
    uint64_t wanted_ns;
    uint32_t span;  /* of the thread's outside spans; PLAN_SPAN_NONE: not in a picture yet */
    bool generator; /* it was part of a stack */
};

struct thread_plan {
    struct raddr state;
    struct plan_chunk *chunks;
    struct extent *chunk_extents;
    uint32_t chunk_count, chunk_capacity;
    struct plan_outside outside[PLAN_OUTSIDE_MAX]; /* by address */
    struct extent outside_extents[PLAN_OUTSIDE_MAX];
    uint64_t generators[PLAN_OUTSIDE_MAX];
    uint32_t outside_count;
    struct chain_plan chain; /* to 3.10 */
    bool again;              /* the last chunk is read a second time, after the outside frames */
    uint32_t outside_spans;  /* fewer than outside_count where neighbours are read as one */
    uint32_t idle;           /* pictures in a row in which the last chunks were not in use */
    bool changed;            /* spans differ from those of the picture that was planned last */
};

void thread_plan_init(struct thread_plan *plan, struct raddr state);
void thread_plan_deinit(struct thread_plan *plan);

/* Reads the chain of datastack chunks anew. Cold: one read per chunk. TORN if the chain changes
 * under the reading or makes no sense. */
STATUS_CHECKED enum status thread_plan_learn(struct thread_plan *plan, const struct memory *memory,
                                             const struct py_layout *layout);

/* HOT. Adds the plan's spans to a picture; the index of the first, or PICTURE_FULL. */
uint32_t thread_plan_add(struct thread_plan *plan, const struct py_layout *layout,
                         struct picture *picture);

/* HOT. Points `image` at what a picture holds of the thread. ABSENT if the thread state could not
 * be read; TORN if the thread has other chunks by now than the plan knows (learn them). */
STATUS_CHECKED enum status thread_plan_image(struct thread_plan *plan,
                                             const struct py_layout *layout,
                                             const struct picture *picture, uint32_t first_span,
                                             struct thread_image *image);

/* HOT. Reads the frame at `address`, `size` bytes and some before it, along from the next picture
 * on, as one outside the datastack; as that of a generator that is part of the stack. */
void thread_plan_want(struct thread_plan *plan, uint64_t address, uint32_t size, bool generator,
                      uint64_t now_ns);

/* HOT. Those of the image's outside extents that have a bit in `extents` are still wanted. */
void thread_plan_keep(struct thread_plan *plan, uint32_t extents, uint64_t now_ns);

/* HOT. Forgets outside frames that were not wanted for a while. */
void thread_plan_expire(struct thread_plan *plan, uint64_t now_ns);

/* HOT. Fits the length that is read of the last chunk to what the image says is in use. */
void thread_plan_fit(struct thread_plan *plan, const struct py_layout *layout,
                     const struct thread_image *image);

#endif
