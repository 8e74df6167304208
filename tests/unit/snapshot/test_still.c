#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "daemon/snapshot/still.h"

enum { BYTES = 12000, SOON = 1000, LATE = 100 * 1000 * 1000 };

static uint8_t target[BYTES];

/* A picture of three spans of 100 bytes, and one of `last`. */
static struct picture *picture_of(uint32_t last) {
    struct picture *picture = NULL;
    cr_assert_eq(picture_create(4, 2 * BYTES, &picture), STATUS_OK);
    for (unsigned i = 0; i < 4; i++) {
        (void)picture_add(picture, raddr_make((uint64_t)(uintptr_t)target + i * 500),
                          i < 3 ? 100 : last);
    }
    return picture;
}

/* Lets the spans show the same stack for long enough. */
static void keep(struct still *still, const struct picture *picture, uint32_t first, uint32_t end) {
    for (unsigned i = 0; i <= 8; i++) {
        cr_expect_not(still_holds(still, picture, first, end, SOON), "too early");
        still_keep(still, picture, first, end, SOON);
    }
}

static void take(struct picture *picture) {
    struct memory memory = {.pid = getpid(), .word_size = 8};
    cr_assert_eq(picture_take(picture, 0, &memory), STATUS_OK);
}

Test(still, what_was_kept_holds_while_its_bytes_are_the_same) {
    struct still still = {.size = 0};
    struct picture *picture = picture_of(100);
    take(picture);
    cr_expect_not(still_holds(&still, picture, 1, 3, SOON), "nothing was kept");
    keep(&still, picture, 1, 3);
    cr_expect(still_holds(&still, picture, 1, 3, SOON + 1));
    target[0]++;
    target[1500]++;
    take(picture);
    cr_expect(still_holds(&still, picture, 1, 3, SOON + 1), "others' bytes");
    const unsigned own[] = {500, 599, 1000, 1099};
    for (unsigned i = 0; i < sizeof own / sizeof *own; i++) {
        target[own[i]]++;
        take(picture);
        cr_expect_not(still_holds(&still, picture, 1, 3, SOON + 1), "byte %u", own[i]);
        target[own[i]]--;
        take(picture);
        cr_expect(still_holds(&still, picture, 1, 3, SOON + 1), "byte %u", own[i]);
    }
    still_forget(&still);
    cr_expect_not(still_holds(&still, picture, 1, 3, SOON + 1));
    still_keep(&still, picture, 1, 3, SOON);
    cr_expect(still_holds(&still, picture, 1, 3, SOON + 1), "it was still before");
    still_end(&still);
    keep(&still, picture, 1, 3);
    picture_destroy(picture);
}

Test(still, it_does_not_hold_for_ever) {
    struct still still = {.size = 0};
    struct picture *picture = picture_of(100);
    take(picture);
    keep(&still, picture, 0, 4);
    cr_expect(still_holds(&still, picture, 0, 4, SOON + LATE - 1));
    cr_expect_not(still_holds(&still, picture, 0, 4, SOON + LATE));
    picture_destroy(picture);
}

Test(still, a_picture_that_is_not_whole_or_very_large_is_not_kept) {
    struct still still = {.size = 0};
    struct picture *picture = picture_of(100);
    take(picture);
    keep(&still, picture, 0, 4);
    picture->spans[2].got = 99;
    cr_expect_not(still_holds(&still, picture, 0, 4, SOON));
    still_keep(&still, picture, 0, 4, SOON);
    picture->spans[2].got = 100;
    cr_expect_not(still_holds(&still, picture, 0, 4, SOON), "what was kept before is forgotten");
    picture_destroy(picture);

    picture = picture_of(9000);
    take(picture);
    still_keep(&still, picture, 0, 4, SOON);
    cr_expect_not(still_holds(&still, picture, 0, 4, SOON));
    still_keep(&still, picture, 0, 3, SOON);
    cr_expect(still_holds(&still, picture, 0, 3, SOON));
    picture_destroy(picture);
}
