#include "daemon/python/version.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define PIECE ((size_t)1 << 18)
#define SIZE (3 * PIECE)

/* An object whose constants are one mapping of SIZE bytes, which ends in a hole. */
static uint8_t *constants;
static struct mapping mappings[2];
static const struct mapped_object object = {.first = &mappings[0], .last = &mappings[1]};
static struct elf_image image;

static void make(void) {
    constants = mmap(NULL, SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(constants, MAP_FAILED);
    (void)munmap(constants + SIZE, PAGE);
    image.memory = (struct memory){.pid = getpid(), .word_size = 8};
    mappings[0] = (struct mapping){.start = raddr_make((uintptr_t)constants),
                                   .end = raddr_make((uintptr_t)constants + SIZE),
                                   .inode = 7,
                                   .readable = true};
    mappings[1] = mappings[0]; /* the same again, and nothing else */
    mappings[1].inode = 8;
}

static void put(size_t at, const char *text) {
    memcpy(constants + at, text, strlen(text) + 1);
}

/* What is found as text, "?" when nothing is. */
static const char *found(void) {
    static char text[32];
    uint32_t hex = 0;
    bool micro_known = false;
    enum status status = version_find(&image, &object, &hex, &micro_known);
    cr_assert(status == STATUS_OK || status == STATUS_ABSENT);
    if (status != STATUS_OK) {
        return "?";
    }
    version_text(hex, micro_known, text, sizeof text);
    return text;
}

TestSuite(version, .init = make);

Test(version, as_text) {
    char text[32];
    version_text(0x030c01f0, true, text, sizeof text);
    cr_assert_str_eq(text, "3.12.1");
    version_text(0x030e00c2, true, text, sizeof text);
    cr_assert_str_eq(text, "3.14.0rc2");
    version_text(0x030f00a3, true, text, sizeof text);
    cr_assert_str_eq(text, "3.15.0a3");
    version_text(0x030f00b1, true, text, sizeof text);
    cr_assert_str_eq(text, "3.15.0b1");
    version_text(0x030900f0, false, text, sizeof text);
    cr_assert_str_eq(text, "3.9");
    version_text(UINT32_MAX, true, text, sizeof text);
    cr_assert_str_eq(text, "255.255.255");
}

Test(version, plausible) {
    cr_assert(version_is_plausible(0x030b07f0));
    cr_assert(version_is_plausible(0x030e00a1));
    cr_assert(version_is_plausible(0x040000f0));
    cr_assert_not(version_is_plausible(0xff0000f0));
    cr_assert_not(version_is_plausible(0));
    cr_assert_not(version_is_plausible(0x020712f0));
    cr_assert_not(version_is_plausible(0x030b0710));
    cr_assert_not(version_is_plausible(UINT64_C(0x1030b07f0)));
}

Test(version, a_number_and_a_folder) {
    cr_assert_str_eq(found(), "?");
    put(100, "3.9.2");
    cr_assert_str_eq(found(), "3.9.2");
    put(200, "lib/python3.9");
    cr_assert_str_eq(found(), "3.9.2");
    put(300, "3.9.2"); /* twice the same */
    cr_assert_str_eq(found(), "3.9.2");
}

Test(version, the_tail_of_something_longer) {
    put(100, "/tmp/build/Python-3.10.13");
    cr_assert_str_eq(found(), "3.10.13");
}

Test(version, releases_that_are_none) {
    put(100, "3.8.0rc1+");
    cr_assert_str_eq(found(), "3.8.0rc1");
    put(100, "3.8.20+");
    cr_assert_str_eq(found(), "3.8.20");
}

Test(version, other_peoples_numbers) {
    put(100, "3.9.2x");      /* not the end */
    put(200, "13.9.2");      /* not the beginning */
    put(300, "1.3.9.2");     /* dito */
    put(400, "3.45.1");      /* SQLite's */
    put(500, "3.9");         /* no micro version */
    put(600, "3.9.123");     /* none of ours */
    put(700, "python3.999"); /* no version at all */
    cr_assert_str_eq(found(), "?");
    put(800, "3.8.11"); /* SQLite's may look like ours: the folder decides */
    put(900, "3.10.4");
    cr_assert_str_eq(found(), "?");
    put(1000, "python3.10");
    cr_assert_str_eq(found(), "3.10.4");
}

Test(version, a_folder_alone) {
    put(100, "python3.8");
    cr_assert_str_eq(found(), "3.8");
}

Test(version, two_numbers) {
    put(100, "3.8.11");
    put(200, "3.8.18");
    put(300, "python3.8");
    cr_assert_str_eq(found(), "3.8");
}

Test(version, two_folders) {
    put(100, "python3.8");
    put(200, "python3.9");
    cr_assert_str_eq(found(), "?");
    put(300, "3.9.18");
    cr_assert_str_eq(found(), "3.9.18");
}

/* Wherever it lies: cut by the end of a piece, and at both ends of the mapping. */
Test(version, at_any_place) {
    put(0, "3.10.13");
    cr_assert_str_eq(found(), "3.10.13");
    memset(constants, 0, 16);
    for (size_t at = PIECE - 200; at < PIECE + 200; ++at) {
        put(at, "xpython3.8");
        cr_assert_str_eq(found(), "3.8", "at %zu", at);
        memset(constants + at, 0, 16);
        put(at, "x3.10.13");
        cr_assert_str_eq(found(), "3.10.13", "at %zu", at);
        memset(constants + at, 0, 16);
    }
    put(SIZE - 8, "3.10.13");
    cr_assert_str_eq(found(), "3.10.13");
}

Test(version, constants_among_code) {
    put(100, "3.9.2");
    mappings[0].executable = true;
    cr_assert_str_eq(found(), "3.9.2");
    mappings[0].writable = true;
    cr_assert_str_eq(found(), "?");
    mappings[0].writable = false;
    mappings[0].readable = false;
    cr_assert_str_eq(found(), "?");
}

Test(version, a_mapping_that_cannot_be_read_to_its_end) {
    put(SIZE - 8, "3.9.2");
    mappings[0].end.v += 5 * PAGE;
    cr_assert_str_eq(found(), "3.9.2");
    (void)munmap(constants, SIZE);
    cr_assert_str_eq(found(), "?");
}
