#include <criterion/criterion.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/snapshot/picture.h"

enum { PAGE = 4096, PAGES = 4 };

static uint8_t *mapped(void) {
    uint8_t *memory =
        mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(memory, MAP_FAILED);
    for (unsigned i = 0; i < PAGES; i++) {
        memset(memory + i * PAGE, 'a' + (int)i, PAGE);
    }
    return memory;
}

static struct memory own_memory(void) {
    return (struct memory){.pid = getpid(), .word_size = 8};
}

static struct raddr place(const uint8_t *memory, size_t offset) {
    return raddr_make((uint64_t)(uintptr_t)memory + offset);
}

static struct picture *begin(uint32_t spans, size_t bytes) {
    struct picture *picture = NULL;
    cr_assert_eq(picture_create(spans, bytes, &picture), STATUS_OK);
    return picture;
}

Test(picture, spans_behind_one_that_is_not_mapped_are_read) {
    uint8_t *memory = mapped();
    struct memory target = own_memory();
    struct picture *picture = begin(8, 4 * PAGE);
    cr_assert_eq(munmap(memory + PAGE, PAGE), 0);
    uint32_t before = picture_add(picture, place(memory, 8), 16);
    uint32_t gone = picture_add(picture, place(memory, PAGE), 16);
    uint32_t half = picture_add(picture, place(memory, PAGE - 10), 20);
    uint32_t after = picture_add(picture, place(memory, 2 * PAGE + 1), 100);
    uint32_t last = picture_add(picture, place(memory, 3 * PAGE), 3);
    cr_assert_eq(picture_take(picture, 0, &target), STATUS_OK);
    cr_expect_eq(picture->spans[before].got, 16);
    cr_expect_eq(picture->spans[gone].got, 0);
    cr_expect_eq(picture->spans[half].got, 10, "up to the page's end");
    cr_expect_eq(picture->spans[after].got, 100);
    cr_expect_eq(picture->spans[last].got, 3);
    cr_expect_eq(picture_span_bytes(picture, before)[15], 'a');
    cr_expect_eq(picture_span_bytes(picture, half)[9], 'a');
    cr_expect_eq(picture_span_bytes(picture, after)[0], 'c');
    cr_expect_eq(picture_span_bytes(picture, after)[99], 'c');
    cr_expect_eq(picture_span_bytes(picture, last)[2], 'd');
    picture_destroy(picture);
}

Test(picture, more_spans_than_one_call_takes) {
    uint8_t *memory = mapped();
    struct memory target = own_memory();
    enum { SPANS = 3 * IOV_MAX + 7 };
    struct picture *picture = begin(SPANS, SPANS * 4);
    for (uint32_t i = 0; i < SPANS; i++) {
        memcpy(memory + i * 4U, &i, sizeof i);
        cr_assert_eq(picture_add(picture, place(memory, i * 4U), 4), i);
    }
    cr_assert_eq(picture_take(picture, 0, &target), STATUS_OK);
    for (uint32_t i = 0; i < SPANS; i++) {
        uint32_t value;
        memcpy(&value, picture_span_bytes(picture, i), sizeof value);
        cr_assert_eq(value, i);
        cr_assert_eq(picture->spans[i].got, 4);
    }
    picture_destroy(picture);
}

Test(picture, spans_can_be_cut_off) {
    const uint64_t words[3] = {11, 22, 33};
    const struct memory memory = {.pid = getpid(), .word_size = 8};
    struct picture *picture = NULL;
    cr_assert_eq(picture_create(3, 24, &picture), STATUS_OK);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(picture_add(picture, raddr_make((uintptr_t)&words[i]), 8), i);
    }
    picture_cut(picture, 3);
    cr_expect_eq(picture->count, 3, "nothing to cut off");
    picture_cut(picture, 1);
    cr_expect_eq(picture_add(picture, raddr_make((uintptr_t)&words[2]), 8), 1);
    cr_assert_eq(picture_take(picture, 0, &memory), STATUS_OK);
    cr_expect_eq(memcmp(picture_span_bytes(picture, 0), &words[0], 8), 0);
    cr_expect_eq(memcmp(picture_span_bytes(picture, 1), &words[2], 8), 0);
    cr_expect_eq(picture->size, 16);
    picture_destroy(picture);
}

Test(picture, all_unmapped_is_no_failure) {
    struct memory target = own_memory();
    struct picture *picture = begin(4, 100);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(picture_add(picture, raddr_make(16U * i), 8), i);
    }
    cr_assert_eq(picture_take(picture, 0, &target), STATUS_OK);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_eq(picture->spans[i].got, 0);
    }
    picture_destroy(picture);
}

Test(picture, full_by_spans_or_by_bytes) {
    uint8_t *memory = mapped();
    struct picture *picture = begin(2, 100);
    cr_expect_eq(picture_add(picture, place(memory, 0), 101), PICTURE_FULL);
    cr_expect_eq(picture_add(picture, place(memory, 0), 60), 0);
    cr_expect_eq(picture_add(picture, place(memory, 0), 41), PICTURE_FULL);
    cr_expect_eq(picture_add(picture, place(memory, 0), 40), 1);
    cr_expect_eq(picture_add(picture, place(memory, 0), 0), PICTURE_FULL);
    picture_begin(picture);
    cr_expect_eq(picture_add(picture, place(memory, 0), 100), 0);
    picture_destroy(picture);
}

Test(picture, of_a_process_that_is_gone) {
    uint8_t *memory = mapped();
    pid_t pid = fork();
    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    struct memory target = {.pid = pid, .word_size = 8};
    struct picture *picture = begin(2, 100);
    cr_assert_eq(picture_add(picture, place(memory, 0), 10), 0);
    cr_expect_eq(picture_take(picture, 0, &target), STATUS_GONE);
    picture_destroy(picture);
}
