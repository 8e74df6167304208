#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/snapshot/chain_plan.h"
#include "daemon/snapshot/thread_image.h"

enum {
    ARENA = 4 << 20,
    FAR_BYTES = 64 << 10, /* between frames that are not read together */
    CLOSE = 512,          /* between frames that are */
    SPANS_MAX = 512,      /* of the pictures here */
    MS = 1000 * 1000,
};

/* Frame objects made by hand in our own memory, which is read as another process's would be. */
struct thread {
    const struct py_layout *layout;
    struct memory memory;
    uint8_t *arena;
    struct chain_plan plan;
    struct picture *picture;
    struct raddr state;
    const uint8_t *leaf_again;
};

#define SAID(thread) "3.%u, %u bytes", (thread)->layout->minor, (thread)->layout->word_size

static void run(unsigned minor, unsigned word_size, void (*body)(struct thread *thread)) {
    struct thread thread = {
        .layout = layout_find(3, minor, word_size),
        .memory = {.pid = getpid(), .word_size = word_size},
    };
    thread.arena =
        mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    cr_assert_neq(thread.arena, MAP_FAILED);
    cr_assert_eq(picture_create(SPANS_MAX, ARENA, &thread.picture), STATUS_OK);
    body(&thread);
    chain_plan_deinit(&thread.plan);
    picture_destroy(thread.picture);
    cr_assert_eq(munmap(thread.arena, ARENA), 0);
}

/* Runs `body` for every minor whose frames are objects, and both word sizes. */
static void each(void (*body)(struct thread *thread)) {
    for (unsigned minor = 8; minor <= 10; minor++) {
        run(minor, 4, body);
        run(minor, 8, body);
    }
}

/* Offset of the n-th of frames that lie far from each other. */
static uint64_t far(unsigned n) {
    return (uint64_t)n * FAR_BYTES;
}

static uint64_t at(const struct thread *thread, uint64_t offset) {
    return (uint64_t)(uintptr_t)thread->arena + offset;
}

static void word_put(const struct thread *thread, uint64_t offset, uint64_t word) {
    memcpy(thread->arena + offset, &word, thread->layout->word_size);
}

/* Makes a frame at an offset in the arena, living or dead. Its address. */
static uint64_t frame(struct thread *thread, uint64_t offset, bool lives, uint64_t back) {
    word_put(thread, offset, lives ? 1 : 0);
    word_put(thread, offset + thread->layout->frame.back, back);
    return at(thread, offset);
}

static enum status learn(struct thread *thread, uint64_t address, uint64_t now_ns) {
    return chain_plan_learn(&thread->plan, &thread->memory, thread->layout, address, now_ns);
}

/* Takes a picture by the plan as it is, behind a span that stands for a thread state, which lies at
 * the end of the arena. */
static void take(struct thread *thread) {
    thread->state = raddr_make(at(thread, ARENA - 1024));
    picture_begin(thread->picture);
    cr_assert_eq(picture_add(thread->picture, raddr_make(at(thread, 0)), 64), 0);
    cr_assert(chain_plan_add(&thread->plan, thread->layout, thread->state, thread->picture),
              SAID(thread));
    cr_assert_eq(picture_take(thread->picture, 0, &thread->memory), STATUS_OK);
    thread->leaf_again = chain_plan_image(&thread->plan, thread->layout, thread->picture, 1);
}

static bool knows(const struct thread *thread, uint64_t address) {
    return frame_index_find(&thread->plan.index, address) != FRAME_UNKNOWN;
}

/* What the picture at hand has of the frame; NULL if it lacks it. */
static const uint8_t *held(const struct thread *thread, uint64_t address) {
    uint32_t slot = frame_index_find(&thread->plan.index, address);
    return slot == FRAME_UNKNOWN ? NULL : thread->plan.index.frames[slot].bytes;
}

/* Whether the picture at hand has the frame as it is in memory now. */
static bool holds(const struct thread *thread, uint64_t address) {
    const uint8_t *bytes = held(thread, address);
    return bytes != NULL &&
           memcmp(bytes, (const void *)(uintptr_t)address, chain_frame_bytes(thread->layout)) == 0;
}

/* Which span of the picture has the frame: 0 is the first one of the plan's. */
static uint32_t span_of(const struct thread *thread, uint64_t address) {
    uint32_t i = 1;
    while (i < thread->picture->count &&
           address - thread->picture->spans[i].address.v >= thread->picture->spans[i].size) {
        i++;
    }
    cr_assert_lt(i, thread->picture->count, SAID(thread));
    return i - 1;
}

static void frame_size(struct thread *thread) {
    uint32_t bytes = chain_frame_bytes(thread->layout);
    cr_expect_gt(bytes, thread->layout->frame.state, SAID(thread));
    cr_expect_gt(bytes, thread->layout->frame.lasti + 3, SAID(thread));
    cr_expect_leq(bytes, CHAIN_FRAME_BYTES_MAX, SAID(thread));
    cr_expect_leq(bytes, thread->layout->frame.localsplus, SAID(thread));
    take(thread);
    cr_expect_eq(thread->picture->count, 1, "nothing is known, nothing is read");
}

Test(chain_plan, what_is_read_of_a_frame_ends_behind_its_state) {
    each(frame_size);
}

static void chain_learned(struct thread *thread) {
    uint64_t root = frame(thread, 0x1000, true, 0);
    uint64_t middle = frame(thread, 0x90000, true, root);
    uint64_t leaf = frame(thread, 0x5000, true, middle);
    cr_assert_eq(learn(thread, leaf, 1), STATUS_OK, SAID(thread));
    cr_expect_eq(thread->plan.index.count, 3, SAID(thread));
    const uint64_t frames[] = {root, middle, leaf};
    for (unsigned i = 0; i < 3; i++) {
        cr_expect(holds(thread, frames[i]), SAID(thread)); /* for the picture at hand */
    }
    frame(thread, 0x5000, true, root);
    take(thread);
    for (unsigned i = 0; i < 3; i++) {
        cr_expect(holds(thread, frames[i]), SAID(thread)); /* and the next one, anew */
    }
}

Test(chain_plan, learns_a_frame_and_its_callers) {
    each(chain_learned);
}

static void known_learned(struct thread *thread) {
    uint64_t root = frame(thread, 0x1000, true, 0);
    uint64_t caller = frame(thread, 0x20000, true, root);
    cr_assert_eq(learn(thread, caller, 1), STATUS_OK);
    take(thread);
    const uint8_t *before = held(thread, root);
    uint64_t leaf = frame(thread, 0x90000, true, caller);
    cr_assert_eq(learn(thread, leaf, 2), STATUS_OK, SAID(thread));
    cr_expect(holds(thread, leaf), SAID(thread));
    cr_expect_eq(held(thread, root), before, "what the picture has stays as it is");
    cr_expect_eq(thread->plan.index.count, 3, SAID(thread));
}

Test(chain_plan, learns_up_to_what_is_known) {
    each(known_learned);
}

static void dead_learned(struct thread *thread) {
    uint64_t freed = frame(thread, 0x1000, false, 0);
    uint64_t dead = frame(thread, 0x20000, false, freed);
    cr_assert_eq(learn(thread, dead, 1), STATUS_OK, SAID(thread));
    cr_expect(holds(thread, dead), SAID(thread));
    cr_expect_not(knows(thread, freed), SAID(thread)); /* asked for if it matters */
}

Test(chain_plan, does_not_follow_a_dead_frames_link) {
    each(dead_learned);
}

static void nothing_learned(struct thread *thread) {
    uint64_t hole = at(thread, 0x40000);
    cr_assert_eq(munmap(thread->arena + 0x40000, 0x10000), 0);
    const uint64_t absurd[] = {hole, 0x10, thread->layout->word_size == 4 ? 0xfffffffc : 1};
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(learn(thread, absurd[i], 1), STATUS_TORN, SAID(thread));
        cr_expect_eq(thread->plan.index.count, 0, SAID(thread));
    }
    uint64_t leaf = frame(thread, 0x1000, true, hole);
    cr_expect_eq(learn(thread, leaf, 1), STATUS_OK, SAID(thread));
    cr_expect(holds(thread, leaf), SAID(thread));
    cr_expect_not(knows(thread, hole), SAID(thread));
}

Test(chain_plan, of_what_cannot_be_read_nothing_is_learned) {
    each(nothing_learned);
}

static void circle(struct thread *thread) {
    uint64_t first = at(thread, 0x1000);
    uint64_t second = frame(thread, 0x90000, true, first);
    frame(thread, 0x1000, true, second);
    cr_expect_eq(learn(thread, first, 1), STATUS_OK, SAID(thread));
    cr_expect_eq(thread->plan.index.count, 2, SAID(thread));
    frame(thread, 0x1000, true, first);
    take(thread);
    cr_expect_eq(learn(thread, first, 1), STATUS_OK, SAID(thread));
}

Test(chain_plan, a_circle_of_frames_ends) {
    each(circle);
}

static void too_many_learned(struct thread *thread) {
    enum { FRAMES = 3 * CHAIN_LATE_MAX };
    uint64_t leaf = 0;
    for (unsigned i = 0; i < FRAMES; i++) {
        leaf = frame(thread, 0x1000 + i * UINT64_C(0x4000), true, leaf);
    }
    cr_expect_eq(learn(thread, leaf, 1), STATUS_TORN, SAID(thread));
    cr_expect_eq(thread->plan.index.count, FRAMES, SAID(thread));
    unsigned count = 0;
    for (unsigned i = 0; i < FRAMES; i++) {
        uint64_t address = at(thread, 0x1000 + i * UINT64_C(0x4000));
        cr_assert(held(thread, address) == NULL || holds(thread, address), SAID(thread));
        count += held(thread, address) != NULL;
    }
    cr_expect_eq(count, CHAIN_LATE_MAX, SAID(thread));
    take(thread);
    for (unsigned i = 0; i < FRAMES; i++) {
        cr_assert(holds(thread, at(thread, 0x1000 + i * UINT64_C(0x4000))), SAID(thread));
    }
    uint64_t newest = frame(thread, 0x1000 + FRAMES * UINT64_C(0x4000), true, leaf);
    cr_expect_eq(learn(thread, newest, 2), STATUS_OK, SAID(thread)); /* there is room again */
    cr_expect(holds(thread, newest), SAID(thread));
}

Test(chain_plan, more_frames_than_a_picture_can_be_given_are_in_the_next) {
    each(too_many_learned);
}

static void together(struct thread *thread) {
    for (unsigned i = 0; i < 8; i++) {
        chain_plan_want(&thread->plan, frame(thread, 0x1000 + i * (uint64_t)CLOSE, true, 0), i, 1);
    }
    for (unsigned i = 0; i < 4; i++) {
        chain_plan_want(&thread->plan, frame(thread, far(i + 2), true, 0), i, 1);
    }
    take(thread);
    cr_expect_eq(thread->picture->count, 1 + 1 + 4 + 1, SAID(thread));
    cr_expect_eq(thread->picture->spans[1 + span_of(thread, at(thread, 0x1000))].size,
                 7 * CLOSE + chain_frame_bytes(thread->layout), SAID(thread));
    for (unsigned i = 0; i < 8; i++) {
        cr_expect(holds(thread, at(thread, 0x1000 + i * (uint64_t)CLOSE)), SAID(thread));
    }
    for (unsigned i = 0; i < 4; i++) {
        cr_expect(holds(thread, at(thread, far(i + 2))), SAID(thread));
    }
}

Test(chain_plan, frames_that_lie_close_together_are_read_as_one) {
    each(together);
}

static void innermost_first(struct thread *thread) {
    static const unsigned places[] = {3, 7, 1, 9, 5, 2, 8, 4, 6};
    enum { FRAMES = sizeof places / sizeof *places };
    for (unsigned i = 0; i < FRAMES; i++) {
        chain_plan_want(&thread->plan, frame(thread, far(places[i]), true, 0), i, 1);
    }
    take(thread);
    for (unsigned i = 0; i < FRAMES; i++) {
        cr_expect_eq(span_of(thread, at(thread, far(places[i]))), FRAMES - 1 - i, SAID(thread));
    }
    uint64_t leaf = frame(thread, far(12), true, at(thread, far(places[8])));
    cr_assert_eq(learn(thread, leaf, 2), STATUS_OK);
    take(thread);
    cr_expect_eq(span_of(thread, leaf), 0, SAID(thread)); /* what was just learned */
    /* Frames that are called from elsewhere by now. */
    for (unsigned i = 0; i < FRAMES; i++) {
        chain_plan_want(&thread->plan, at(thread, far(places[i])), FRAMES - i, 3);
    }
    chain_plan_want(&thread->plan, leaf, 0, 3);
    chain_plan_want(&thread->plan, frame(thread, far(13), true, 0), FRAMES + 1, 3);
    take(thread);
    cr_expect_eq(span_of(thread, at(thread, far(13))), 0, SAID(thread));
    for (unsigned i = 0; i < FRAMES; i++) {
        cr_expect_eq(span_of(thread, at(thread, far(places[i]))), i + 1, SAID(thread));
    }
    cr_expect_eq(span_of(thread, leaf), FRAMES + 1, SAID(thread));
}

Test(chain_plan, the_innermost_frames_are_read_first) {
    each(innermost_first);
}

static void scattered(struct thread *thread) {
    enum { FRAMES = ARENA / 4096 };
    for (unsigned i = 0; i < FRAMES; i++) {
        chain_plan_want(&thread->plan, frame(thread, i * UINT64_C(4096), true, 0), i, 1);
    }
    picture_destroy(thread->picture);
    cr_assert_eq(picture_create(FRAMES, 2 * ARENA, &thread->picture), STATUS_OK);
    take(thread);
    cr_expect_lt(thread->picture->count, FRAMES, "wider gaps are read");
    for (unsigned i = 0; i < FRAMES; i++) {
        cr_assert(holds(thread, at(thread, i * UINT64_C(4096))), SAID(thread));
    }
}

Test(chain_plan, any_number_of_frames_is_read_in_some_hundred_spans) {
    each(scattered);
}

static void leaf_again(struct thread *thread) {
    const unsigned w = thread->layout->word_size;
    take(thread);
    cr_expect_null(thread->leaf_again, "there is no frame");
    chain_plan_want(&thread->plan, frame(thread, far(1), true, 0), 0, 1);
    word_put(thread, ARENA - 1024 + thread->layout->thread.frame, at(thread, far(1)));
    take(thread);
    cr_assert_not_null(thread->leaf_again, SAID(thread));
    cr_expect_eq(image_word(thread->leaf_again, w), at(thread, far(1)), SAID(thread));
    cr_expect_eq(thread->leaf_again, picture_span_bytes(thread->picture, 2), "it is read last");
    thread->plan.settled = true;
    take(thread);
    cr_expect_null(thread->leaf_again, SAID(thread));
    cr_expect_eq(thread->picture->count, 1 + 1, SAID(thread));
}

Test(chain_plan, names_the_leaf_again_behind_the_frames) {
    each(leaf_again);
}

static void full(struct thread *thread) {
    for (unsigned i = 0; i < 4; i++) {
        chain_plan_want(&thread->plan, frame(thread, far(i), true, 0), i, 1);
    }
    struct picture *small = NULL;
    cr_assert_eq(picture_create(3, ARENA, &small), STATUS_OK);
    cr_expect_not(chain_plan_add(&thread->plan, thread->layout, thread->state, small),
                  SAID(thread));
    picture_destroy(small);
    cr_assert_eq(picture_create(8, 2 * (size_t)chain_frame_bytes(thread->layout), &small),
                 STATUS_OK);
    cr_expect_not(chain_plan_add(&thread->plan, thread->layout, thread->state, small),
                  SAID(thread));
    picture_destroy(small);
    take(thread);
    cr_expect_eq(thread->picture->count, 1 + 4 + 1, SAID(thread));
}

Test(chain_plan, says_when_a_picture_is_full) {
    each(full);
}

static void unmapped(struct thread *thread) {
    const uint64_t offsets[] = {far(1), far(2), far(2) + 4096 + 64, far(3)};
    for (unsigned i = 0; i < 4; i++) {
        chain_plan_want(&thread->plan, frame(thread, offsets[i], true, 0), i, 1);
    }
    take(thread);
    cr_assert_eq(munmap(thread->arena + far(2) + 4096, 4096), 0);
    take(thread);
    for (unsigned i = 0; i < 4; i++) {
        if (i == 2) {
            cr_expect_null(held(thread, at(thread, offsets[i])), SAID(thread));
        } else {
            cr_expect(holds(thread, at(thread, offsets[i])), SAID(thread));
        }
    }
    for (unsigned i = 0; i < 200; i++) {
        take(thread);
        for (unsigned j = 0; j < 4; j++) {
            if (j != 2) {
                chain_plan_want(&thread->plan, at(thread, offsets[j]), j, 2);
            }
        }
        chain_plan_expire(&thread->plan, 3, 2);
    }
    cr_expect_not(knows(thread, at(thread, offsets[2])), SAID(thread));
    cr_expect_eq(thread->plan.index.count, 3, SAID(thread));
}

Test(chain_plan, a_frame_that_cannot_be_read_any_more_is_forgotten) {
    each(unmapped);
}

static void idle(struct thread *thread) {
    uint64_t used = frame(thread, far(1), true, 0);
    uint64_t not_used = frame(thread, far(2), true, 0);
    chain_plan_want(&thread->plan, used, 0, 1);
    chain_plan_want(&thread->plan, not_used, 1, 1);
    for (unsigned i = 0; i < 200; i++) {
        uint64_t now_ns = i * (uint64_t)MS / 10;
        take(thread);
        chain_plan_want(&thread->plan, used, 0, now_ns);
        chain_plan_expire(&thread->plan, 1, now_ns);
        cr_assert(knows(thread, not_used), SAID(thread)); /* not for 20 ms: it may be again */
    }
    for (unsigned i = 0; i < 200; i++) {
        uint64_t now_ns = 20 * MS + i * UINT64_C(50) * MS;
        take(thread);
        chain_plan_want(&thread->plan, used, 0, now_ns);
        chain_plan_expire(&thread->plan, 1, now_ns);
    }
    cr_expect(knows(thread, used), SAID(thread));
    cr_expect_not(knows(thread, not_used), SAID(thread)); /* not for 10 s */
    take(thread);
    cr_expect(holds(thread, used), SAID(thread));
    cr_expect_eq(thread->picture->count, 1 + 1 + 1, SAID(thread));
}

Test(chain_plan, a_frame_that_was_not_wanted_for_a_while_is_forgotten) {
    each(idle);
}

/* Two frames at a time, ever others, as where a program keeps what it has called. */
static void in_proportion(struct thread *thread) {
    enum { FRAMES = 1000 };
    for (unsigned i = 0; i < FRAMES; i++) {
        chain_plan_want(&thread->plan, frame(thread, i * UINT64_C(4096), true, 0), 1, i + 1);
        take(thread);
        chain_plan_expire(&thread->plan, 2, i + 1);
        cr_assert_leq(thread->plan.index.count, 100, SAID(thread));
    }
    uint32_t count = thread->plan.index.count;
    cr_expect_geq(count, 2, SAID(thread));
    for (unsigned i = 0; i < FRAMES; i++) {
        cr_expect_eq(knows(thread, at(thread, i * UINT64_C(4096))), i >= FRAMES - count,
                     SAID(thread)); /* the last ones */
    }
}

Test(chain_plan, what_was_not_in_use_for_longest_makes_room) {
    each(in_proportion);
}

static void no_end(struct thread *thread) {
    for (uint64_t i = 1; i <= FRAME_INDEX_MAX + 1000; i++) {
        chain_plan_want(&thread->plan, 0x1000 + i * 512, 1, i);
    }
    cr_expect_eq(thread->plan.index.count, FRAME_INDEX_MAX, SAID(thread));
    cr_expect_eq(learn(thread, frame(thread, 0, true, 0), 1), STATUS_NOMEM, SAID(thread));
    chain_plan_expire(&thread->plan, 100, FRAME_INDEX_MAX + 1000);
    cr_expect_lt(thread->plan.index.count, 1000, SAID(thread));
    cr_expect_eq(learn(thread, frame(thread, 0, true, 0), 1), STATUS_OK, SAID(thread));
}

Test(chain_plan, there_is_an_end_to_what_is_known) {
    run(8, 8, no_end);
}

/* A child's frames, which we have overwritten in our own copy of its memory. */
static void of_a_child(struct thread *thread) {
    uint64_t root = frame(thread, far(1), true, 0);
    uint64_t leaf = frame(thread, far(2), true, root);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        for (;;) {
            (void)pause();
        }
    }
    thread->memory.pid = pid;
    memset(thread->arena, 0xff, ARENA);
    cr_expect_eq(learn(thread, leaf, 1), STATUS_OK, SAID(thread));
    cr_expect_eq(thread->plan.index.count, 2, SAID(thread));
    take(thread);
    cr_assert_not_null(held(thread, leaf));
    cr_expect_eq(
        image_word(held(thread, leaf) + thread->layout->frame.back, thread->layout->word_size),
        root, SAID(thread));
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_expect_eq(learn(thread, at(thread, far(5)), 2), STATUS_GONE, SAID(thread));
}

Test(chain_plan, reads_another_process) {
    each(of_a_child);
}
