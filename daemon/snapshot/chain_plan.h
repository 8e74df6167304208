/* chain_plan: which frame objects (PyFrameObject, to 3.10) are copied along with a thread's state,
 * learned from its last pictures. Part of a thread_plan and used by its thread only. HOT where
 * marked.
 *
 * The innermost frames are read first, right behind the thread state that names the leaf: they are
 * the first to end. Frames that lie close together are read as one span. What is forgotten is what
 * was not in use for longest, so that a picture stays in proportion to the stack. */
#ifndef ECHION_DAEMON_SNAPSHOT_CHAIN_PLAN_H
#define ECHION_DAEMON_SNAPSHOT_CHAIN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/python/layout.h"
#include "daemon/snapshot/frame_index.h"
#include "daemon/snapshot/picture.h"
#include "daemon/target/memory.h"

enum {
    CHAIN_FRAME_BYTES_MAX = 128, /* of a frame object, up to its state */
    CHAIN_LATE_MAX = 64,         /* frames read one by one for a picture that lacks them */
};

#define CHAIN_NO_GROUP UINT32_MAX

struct chain_frame {
    uint64_t last_wanted_ns;
    uint32_t depth; /* where in the stack it was, 0 the outermost */
    uint32_t group; /* with which it is read; CHAIN_NO_GROUP: with none yet */
};

/* Frames that are read as one span. */
struct chain_group {
    uint64_t start;
    const uint8_t *bytes; /* in the picture at hand, `got` of them */
    uint32_t got;
    uint32_t size;
    uint32_t first, count; /* in `order` */
    uint32_t depth;        /* of the innermost one */
};

struct chain_plan {
    struct frame_index index;
    struct chain_frame *frames; /* by slot */
    uint32_t *order;            /* slots in use, by address */
    struct chain_group *groups;
    uint32_t group_count, capacity;
    uint32_t first_group; /* that is read first */
    uint64_t leaf;        /* where the next picture begins; 0: at the innermost frame known */
    uint32_t apart;       /* samples for which the thread is left out of pictures of all threads */
    bool alone;           /* the next picture is of this thread only */
    bool settled;         /* there is no need to read the word that names the leaf again */
    bool again;           /* the picture at hand has it */
    uint64_t observed_walks, observed_moved; /* of the chain memory, when that was found */
    uint32_t deepest;                        /* frames in the deepest one of the last stacks */
    uint32_t follows;                        /* pictures since the last sweep */
    uint8_t *late;                           /* CHAIN_LATE_MAX frames; NULL while none was needed */
    uint32_t late_count;
    bool stale; /* frames came or went since the groups were made */
};

/* An all-zero plan is an empty one. */
void chain_plan_deinit(struct chain_plan *plan);

/* Bytes that are read of a frame. */
uint32_t chain_frame_bytes(const struct py_layout *layout);

/* HOT. Adds the plan's spans to a picture: the frames, then, unless that is settled, once more the
 * word of the thread state `state` that names the leaf. False when the picture is full. */
bool chain_plan_add(struct chain_plan *plan, const struct py_layout *layout, struct raddr state,
                    struct picture *picture);

/* HOT. Points the index at what a picture holds of the frames; their spans begin at `first_span`.
 * Returns the bytes of the word that was read behind them, NULL if there are none. */
const uint8_t *chain_plan_image(struct chain_plan *plan, const struct py_layout *layout,
                                const struct picture *picture, uint32_t first_span);

/* HOT. The frame at `address` is frame `depth` of the stack: read it along from the next picture
 * on. */
void chain_plan_want(struct chain_plan *plan, uint64_t address, uint32_t depth, uint64_t now_ns);

/* HOT. Forgets frames that cannot be read any more, or were not wanted for a while. `depth`: of the
 * last stack. */
void chain_plan_expire(struct chain_plan *plan, uint32_t depth, uint64_t now_ns);

/* Reads the frame at `address` for the picture at hand, and what it leads to as far as that is not
 * known; all become part of the plan. Cold: one read per frame. TORN if there is nothing to read,
 * or too much for this picture: take another. */
STATUS_CHECKED enum status chain_plan_learn(struct chain_plan *plan, const struct memory *memory,
                                            const struct py_layout *layout, uint64_t address,
                                            uint64_t now_ns);

#endif
