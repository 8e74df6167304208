#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/snapshot/thread_plan.h"

enum { CHUNK = 16384, CHUNKS = 3, MS = 1000 * 1000 };

/* A thread made by hand in our own memory, which is read as another process's would be. */
struct thread {
    const struct py_layout *layout;
    struct memory memory;
    uint8_t *state;
    uint8_t *chunks[CHUNKS];
    struct thread_plan plan;
    struct picture *picture;
};

static uint64_t at(const void *pointer) {
    return (uint64_t)(uintptr_t)pointer;
}

static uint8_t *pages(size_t size) {
    uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(memory, MAP_FAILED);
    return memory;
}

static void word_put(uint8_t *bytes, uint64_t word) {
    memcpy(bytes, &word, sizeof word);
}

static void in_use(struct thread *thread, unsigned chunks, uint64_t bytes) {
    const uint8_t *last = thread->chunks[chunks - 1];
    word_put(thread->state + thread->layout->thread.datastack_chunk, at(last));
    word_put(thread->state + thread->layout->thread.datastack_top, at(last) + bytes);
}

static void begin(struct thread *thread, unsigned chunks) {
    *thread = (struct thread){
        .layout = layout_find(3, 13, 8),
        .memory = {.pid = getpid(), .word_size = 8},
        .state = pages(4096),
    };
    for (unsigned i = 0; i < CHUNKS; i++) {
        thread->chunks[i] = pages(CHUNK);
        word_put(thread->chunks[i] + thread->layout->chunk.size, CHUNK);
        word_put(thread->chunks[i] + thread->layout->chunk.top, 100);
        word_put(thread->chunks[i] + thread->layout->chunk.previous,
                 i == 0 ? 0 : at(thread->chunks[i - 1]));
    }
    in_use(thread, chunks, 1000);
    thread_plan_init(&thread->plan, raddr_make(at(thread->state)));
    cr_assert_eq(picture_create(64, 1 << 20, &thread->picture), STATUS_OK);
}

static void end(struct thread *thread) {
    thread_plan_deinit(&thread->plan);
    picture_destroy(thread->picture);
}

static enum status learn(struct thread *thread) {
    return thread_plan_learn(&thread->plan, &thread->memory, thread->layout);
}

/* Takes a picture by the plan as it is. */
static enum status take(struct thread *thread, struct thread_image *image) {
    picture_begin(thread->picture);
    cr_assert_eq(thread_plan_add(&thread->plan, thread->layout, thread->picture), 0);
    cr_assert_eq(picture_take(thread->picture, 0, &thread->memory), STATUS_OK);
    return thread_plan_image(&thread->plan, thread->layout, thread->picture, 0, image);
}

Test(thread_plan, learns_the_chunks_oldest_first) {
    struct thread thread;
    struct thread_image image;
    begin(&thread, 3);
    cr_assert_eq(learn(&thread), STATUS_OK);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_assert_eq(image.chunk_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(image.chunks[i].address, at(thread.chunks[i]));
        cr_expect_eq(image.chunks[i].whole, CHUNK);
        cr_expect_eq(memcmp(image.chunks[i].bytes, thread.chunks[i], image.chunks[i].size), 0);
    }
    cr_expect_eq(image.chunks[0].size, CHUNK, "all, for what is in use changes");
    cr_expect_eq(image.chunks[2].size, CHUNK, "also of the last one");
    cr_expect_eq(memcmp(image.state, thread.state, thread.layout->thread.size), 0);
    end(&thread);
}

Test(thread_plan, of_an_only_chunk_what_is_in_use_is_read) {
    struct thread thread;
    struct thread_image image;
    begin(&thread, 1);
    cr_assert_eq(learn(&thread), STATUS_OK);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_assert_eq(image.chunk_count, 1);
    cr_expect_geq(image.chunks[0].size, 1000 + 512, "and some");
    cr_expect_leq(image.chunks[0].size, 1000 + 512 + 256);
    end(&thread);
}

Test(thread_plan, a_circle_of_chunks_ends) {
    struct thread thread;
    begin(&thread, 3);
    word_put(thread.chunks[0] + thread.layout->chunk.previous, at(thread.chunks[2]));
    cr_expect_eq(learn(&thread), STATUS_TORN);
    end(&thread);
}

Test(thread_plan, chunks_that_cannot_be_are_refused) {
    const uint64_t sizes[] = {0, 8, (8U << 20) + 1, UINT64_MAX};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct thread thread;
        begin(&thread, 2);
        word_put(thread.chunks[0] + thread.layout->chunk.size, sizes[i]);
        cr_expect_eq(learn(&thread), STATUS_TORN);
        cr_expect_eq(thread.plan.chunk_count, 0);
        end(&thread);
    }
    struct thread thread;
    begin(&thread, 2);
    word_put(thread.chunks[1] + thread.layout->chunk.previous, 0x10);
    cr_expect_neq(learn(&thread), STATUS_OK);
    end(&thread);
}

Test(thread_plan, a_new_chunk_is_noticed) {
    struct thread thread;
    struct thread_image image;
    begin(&thread, 2);
    cr_assert_eq(learn(&thread), STATUS_OK);
    in_use(&thread, 3, 500);
    cr_expect_eq(take(&thread, &image), STATUS_TORN);
    cr_assert_eq(learn(&thread), STATUS_OK);
    cr_expect_eq(take(&thread, &image), STATUS_OK);
    cr_expect_eq(image.chunk_count, 3);
    end(&thread);
}

Test(thread_plan, a_popped_chunk_is_a_short_read_and_forgotten_in_time) {
    struct thread thread;
    struct thread_image image;
    begin(&thread, 3);
    cr_assert_eq(learn(&thread), STATUS_OK);
    in_use(&thread, 2, 1000);
    cr_assert_eq(munmap(thread.chunks[2], CHUNK), 0);
    cr_expect_eq(take(&thread, &image), STATUS_OK);
    cr_assert_eq(image.chunk_count, 3);
    cr_expect_eq(image.chunks[2].size, 0);
    cr_expect_gt(image.chunks[1].size, 0);
    for (unsigned i = 0; i < 300; i++) {
        thread_plan_fit(&thread.plan, thread.layout, &image);
        cr_assert_eq(take(&thread, &image), STATUS_OK);
    }
    cr_expect_eq(image.chunk_count, 2);
    end(&thread);
}

Test(thread_plan, lengths_follow_what_is_in_use) {
    struct thread thread;
    struct thread_image image;
    begin(&thread, 1);
    cr_assert_eq(learn(&thread), STATUS_OK);
    in_use(&thread, 1, 9000);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    thread_plan_fit(&thread.plan, thread.layout, &image);
    cr_expect(thread.plan.changed);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_expect_geq(image.chunks[0].size, 9000 + 512);
    in_use(&thread, 1, 1000);
    uint32_t longest = image.chunks[0].size;
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_eq(take(&thread, &image), STATUS_OK);
        cr_expect_leq(longest - image.chunks[0].size, 256U * i, "it shrinks slowly");
        thread_plan_fit(&thread.plan, thread.layout, &image);
    }
    cr_expect_lt(image.chunks[0].size, 1000 + 512 + 5 * 256);
    in_use(&thread, 1, CHUNK);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    thread_plan_fit(&thread.plan, thread.layout, &image);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_expect_eq(image.chunks[0].size, CHUNK, "never beyond the chunk");
    end(&thread);
}

Test(thread_plan, outside_frames_are_read_neighbours_together) {
    struct thread thread;
    struct thread_image image;
    begin(&thread, 1);
    cr_assert_eq(learn(&thread), STATUS_OK);
    uint8_t *heap = pages(64 << 10);
    thread_plan_want(&thread.plan, at(heap) + 40000, 300, false, 1);
    thread_plan_want(&thread.plan, at(heap) + 1000, 300, false, 1);
    thread_plan_want(&thread.plan, at(heap) + 2000, 300, false, 1);
    thread_plan_want(&thread.plan, at(heap) + 1000, 300, false, 1);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_expect_eq(image.outside_count, 2);
    cr_expect_eq(image.outside[0].address, at(heap) + 1000 - PLAN_OUTSIDE_BEFORE);
    cr_expect_eq(image.outside[0].size, PLAN_OUTSIDE_BEFORE + 1300);
    cr_expect_eq(image.outside[1].size, PLAN_OUTSIDE_BEFORE + 300);
    cr_expect_eq(image.generator_count, 0);
    cr_expect_eq(image.again.size, 0, "nothing to compare with");
    end(&thread);
}

Test(thread_plan, what_cannot_be_read_of_a_span_is_not_asked_for_again) {
    struct thread thread;
    struct thread_image image;
    begin(&thread, 1);
    cr_assert_eq(learn(&thread), STATUS_OK);
    uint8_t *heap = pages(3 * 4096);
    cr_assert_eq(munmap(heap + 4096, 2 * 4096), 0);
    thread_plan_want(&thread.plan, at(heap) + 2000, 300, false, 1);
    thread_plan_want(&thread.plan, at(heap) + 4000, 8192, false, 1);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_expect_eq(image.outside[0].size, PLAN_OUTSIDE_BEFORE + 2096);
    cr_expect(thread.plan.changed);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_expect_eq(thread.picture->spans[2].size, PLAN_OUTSIDE_BEFORE + 2096);
    cr_expect_eq(thread.picture->spans[2].got, PLAN_OUTSIDE_BEFORE + 2096);
    cr_expect_not(thread.plan.changed);
    thread_plan_want(&thread.plan, at(heap) + 4000, 8192, false, 2);
    cr_expect(thread.plan.changed, "needed after all: it is tried again");
    end(&thread);
}

Test(thread_plan, addresses_where_no_frame_can_be_are_not_read) {
    struct thread thread;
    begin(&thread, 1);
    const uint64_t addresses[] = {0, 1, 8, 4095, at(thread.state) + 1, at(thread.state) + 2};
    for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        thread_plan_want(&thread.plan, addresses[i], 300, false, 1);
    }
    cr_expect_eq(thread.plan.outside_count, 0);
    end(&thread);
}

Test(thread_plan, with_generators_the_last_chunk_is_read_again_behind_them) {
    struct thread thread;
    struct thread_image image;
    begin(&thread, 2);
    cr_assert_eq(learn(&thread), STATUS_OK);
    uint8_t *heap = pages(4096);
    thread_plan_want(&thread.plan, at(heap) + 512, 300, true, 1);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_expect_eq(image.generator_count, 1);
    cr_expect_eq(image.generators[0], at(heap) + 512);
    cr_expect_eq(image.again.address, at(thread.chunks[1]));
    cr_expect_eq(image.again.size, image.chunks[1].size);
    cr_expect_gt(image.again.bytes, image.outside[0].bytes);
    thread_plan_expire(&thread.plan, 1 + 100 * MS);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_expect_eq(image.generator_count, 1, "not yet");
    thread_plan_expire(&thread.plan, 2 + 100 * MS);
    cr_expect(thread.plan.changed);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_expect_eq(image.generator_count, 0);
    cr_expect_eq(image.again.size, 0);
    end(&thread);
}

Test(thread_plan, outside_frames_that_the_walk_used_are_kept) {
    struct thread thread;
    struct thread_image image;
    begin(&thread, 1);
    cr_assert_eq(learn(&thread), STATUS_OK);
    uint8_t *heap = pages(64 << 10);
    const uint64_t offsets[] = {1000, 2000, 20000, 40000};
    for (unsigned i = 0; i < 4; i++) {
        thread_plan_want(&thread.plan, at(heap) + offsets[i], 300, false, 1);
    }
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_assert_eq(image.outside_count, 3);
    thread_plan_want(&thread.plan, at(heap) + 50000, 300, false, 1); /* not in the picture */
    thread_plan_keep(&thread.plan, 1U << 0 | 1U << 2, 50 * MS);
    thread_plan_expire(&thread.plan, 2 + 100 * MS);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_assert_eq(image.outside_count, 2);
    cr_expect_eq(image.outside[0].size, PLAN_OUTSIDE_BEFORE + 1300);
    cr_expect_eq(image.outside[1].address, at(heap) + 40000 - PLAN_OUTSIDE_BEFORE);
    thread_plan_expire(&thread.plan, 1 + 150 * MS);
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_expect_eq(image.outside_count, 0);
    end(&thread);
}

Test(thread_plan, of_too_many_outside_frames_the_one_not_wanted_for_longest_goes) {
    struct thread thread;
    struct thread_image image;
    begin(&thread, 1);
    cr_assert_eq(learn(&thread), STATUS_OK);
    uint8_t *heap = pages(64 << 14);
    for (uint64_t i = 0; i <= PLAN_OUTSIDE_MAX; i++) {
        thread_plan_want(&thread.plan, at(heap) + 0x4000 * (i + 1), 100, true, 100 + (i * 5) % 17);
    }
    cr_assert_eq(take(&thread, &image), STATUS_OK);
    cr_expect_eq(image.generator_count, PLAN_OUTSIDE_MAX);
    for (uint32_t i = 0; i < image.generator_count; i++) {
        cr_expect_neq(image.generators[i], at(heap) + 0x4000, "the first is the oldest");
        cr_expect(i == 0 || image.generators[i] > image.generators[i - 1], "by address");
    }
    end(&thread);
}

Test(thread_plan, a_thread_state_that_is_gone) {
    struct thread thread;
    struct thread_image image;
    begin(&thread, 1);
    cr_assert_eq(learn(&thread), STATUS_OK);
    cr_assert_eq(munmap(thread.state, 4096), 0);
    cr_expect_eq(take(&thread, &image), STATUS_ABSENT);
    cr_expect_neq(learn(&thread), STATUS_OK);
    end(&thread);
}
