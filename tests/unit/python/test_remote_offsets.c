#include "daemon/python/remote_offsets.h"

#include <stdbool.h>
#include <string.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "daemon/python/debug_offsets.h"
#include "tests/unit/python/recorded_tables.h"

/* A table to be spoiled, and the layout that the unspoilt one fills. The last words of each table
 * are those of remote debugging. */
struct subject {
    uint64_t words[111];
    size_t size;
    struct py_layout layout;
    struct remote_offsets offsets;
};

enum { EVAL_BREAKER = -6, SUPPORT = -5, ENABLED = -4, PENDING = -3, PATH = -2, PATH_SIZE = -1 };

static struct subject subject_make(const uint64_t *words, size_t size, unsigned minor,
                                   unsigned word_size) {
    struct subject subject = {.size = size, .layout = *layout_find(3, minor, word_size)};
    bool free_threaded = false;
    memcpy(subject.words, words, size);
    cr_assert(eq(
        int,
        debug_offsets_apply(words, size, minor, word_size, &subject.layout, &free_threaded, NULL),
        STATUS_OK));
    return subject;
}
#define SUBJECT(table, minor, word_size) subject_make(table, sizeof table, minor, word_size)
#define SUBJECT_3_14 SUBJECT(recorded_table_3_14_10, 14, 8)

static uint64_t *subject_word(struct subject *subject, int from_end) {
    return &subject->words[(int)(subject->size / 8) + from_end];
}

static enum status subject_take(struct subject *subject) {
    return remote_offsets_take(subject->words, subject->size, &subject->layout, &subject->offsets,
                               NULL);
}

static void expect_corrupt(struct subject *subject) {
    const struct remote_offsets none = {0};
    cr_expect(eq(int, subject_take(subject), STATUS_CORRUPT));
    cr_expect(zero(int, memcmp(&subject->offsets, &none, sizeof none)));
}

Test(remote_offsets, are_those_of_the_headers) {
    struct subject subject = SUBJECT_3_14;
    cr_assert(eq(int, subject_take(&subject), STATUS_OK));
    cr_expect(eq(u32, subject.offsets.thread.eval_breaker, 24));
    cr_expect(eq(u32, subject.offsets.thread.path_size, 512));
    cr_expect(eq(u32, subject.offsets.thread.script_path, subject.offsets.thread.pending_call + 4));
}

Test(remote_offsets, are_there_in_every_later_build) {
    struct subject subjects[] = {SUBJECT(recorded_table_3_14_10_i686, 14, 4),
                                 SUBJECT(recorded_table_3_15_2, 15, 8)};
    for (size_t i = 0; i < 2; ++i) {
        cr_expect(eq(int, subject_take(&subjects[i]), STATUS_OK));
        cr_expect(
            eq(u32, subjects[i].offsets.thread.eval_breaker, 3U * subjects[i].layout.word_size));
    }
}

Test(remote_offsets, are_unsupported_before_3_14) {
    struct subject subject = SUBJECT(recorded_table_3_13_18, 13, 8);
    cr_expect(eq(int, subject_take(&subject), STATUS_UNSUPPORTED));
}

Test(remote_offsets, must_lie_in_their_structs) {
    const struct {
        int word;
        uint64_t value;
    } lies[] = {{EVAL_BREAKER, 1 << 20}, {EVAL_BREAKER, 25}, {SUPPORT, 1 << 20}, {SUPPORT, 2},
                {ENABLED, 16 << 20},     {PENDING, 3},       {PATH, 1 << 16},    {PATH_SIZE, 0},
                {PATH_SIZE, 100},        {PATH_SIZE, 4097},  {PATH_SIZE, 4096}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; ++i) {
        struct subject subject = SUBJECT_3_14;
        *subject_word(&subject, lies[i].word) = lies[i].value;
        expect_corrupt(&subject);
    }
}

Test(remote_offsets, must_not_lie_on_one_another) {
    struct subject subject = SUBJECT_3_14;
    *subject_word(&subject, EVAL_BREAKER) = subject.layout.thread.interp;
    expect_corrupt(&subject);
    subject = SUBJECT_3_14;
    *subject_word(&subject, PATH) = 0; /* the flag */
    expect_corrupt(&subject);
    subject = SUBJECT_3_14;
    *subject_word(&subject, SUPPORT) = 0; /* prev */
    expect_corrupt(&subject);
}

Test(remote_offsets, need_the_whole_table) {
    struct subject subject = SUBJECT_3_14;
    subject.size -= 8;
    expect_corrupt(&subject);
}
