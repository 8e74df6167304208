#include "daemon/python/debug_offsets.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "tests/unit/python/recorded_tables.h"

enum { WORDS_MAX = 111 };

/* Words of the tables below, counted from the cookie. */
enum { VERSION = 1, FREE_THREADED = 2, RUNTIME_SIZE = 3, INTERPRETERS_HEAD = 5 };

/* A table to be spoiled, and the row that it belongs to. */
struct subject {
    uint64_t words[WORDS_MAX];
    size_t size;
    unsigned minor;
    unsigned word_size;
    struct py_layout layout;
    bool free_threaded;
    struct error error;
};

static struct subject subject_make(const uint64_t *words, size_t size, unsigned minor,
                                   unsigned word_size) {
    struct subject subject = {.size = size,
                              .minor = minor,
                              .word_size = word_size,
                              .layout = *layout_find(3, minor, word_size)};
    memcpy(subject.words, words, size);
    return subject;
}
#define SUBJECT(table, minor, word_size) subject_make(table, sizeof table, minor, word_size)
#define SUBJECT_3_13 SUBJECT(recorded_table_3_13_18, 13, 8)
#define SUBJECT_3_14 SUBJECT(recorded_table_3_14_10, 14, 8)
#define SUBJECT_3_14_I686 SUBJECT(recorded_table_3_14_10_i686, 14, 4)
#define SUBJECT_3_15 SUBJECT(recorded_table_3_15_2, 15, 8)

static enum status subject_apply(struct subject *subject) {
    return debug_offsets_apply(subject->words, subject->size, subject->minor, subject->word_size,
                               &subject->layout, &subject->free_threaded, &subject->error);
}

/* The place of a value among the words from `first` on. */
static size_t word_find(const struct subject *subject, size_t first, uint64_t value) {
    for (size_t i = first; i < subject->size / 8; ++i) {
        if (subject->words[i] == value) {
            return i;
        }
    }
    cr_fatal("no word %llu", (unsigned long long)value);
}

static void expect_untouched(const struct subject *subject) {
    const struct py_layout *row = layout_find(3, subject->minor, subject->word_size);
    cr_expect(zero(int, memcmp(&subject->layout, row, sizeof *row)));
}

static void expect_status(struct subject *subject, enum status status) {
    cr_expect(eq(int, subject_apply(subject), status), "%s", subject->error.text);
    if (status != STATUS_OK) {
        expect_untouched(subject);
    }
}

Test(debug_offsets, sizes_are_those_of_the_headers) {
    cr_assert(eq(sz, debug_offsets_size(13), sizeof recorded_table_3_13_18));
    cr_assert(eq(sz, debug_offsets_size(14), sizeof recorded_table_3_14_10));
    cr_assert(eq(sz, debug_offsets_size(15), sizeof recorded_table_3_15_2));
    cr_assert(zero(sz, debug_offsets_size(12)));
    cr_assert(zero(sz, debug_offsets_size(16)));
}

Test(debug_offsets, version_is_read) {
    uint32_t version = 0;
    cr_assert(debug_offsets_version(recorded_table_3_14_10, DEBUG_OFFSETS_HEAD, &version));
    cr_assert(eq(u32, version, 0x030e0af0));
}

Test(debug_offsets, version_needs_the_cookie_and_python_3) {
    uint64_t words[2] = {recorded_table_3_14_10[0], recorded_table_3_14_10[1]};
    uint32_t version = 7;
    cr_expect(not(debug_offsets_version(words, DEBUG_OFFSETS_HEAD - 1, &version)));
    words[VERSION] = 0x040e0af0;
    cr_expect(not(debug_offsets_version(words, sizeof words, &version)));
    words[VERSION] = 0x1030e0af0;
    cr_expect(not(debug_offsets_version(words, sizeof words, &version)));
    words[VERSION] = 0x030e0af0;
    words[0] ^= 1;
    cr_expect(not(debug_offsets_version(words, sizeof words, &version)));
    cr_expect(eq(u32, version, 7));
}

Test(debug_offsets, a_3_13_fills_its_row) {
    struct subject subject = SUBJECT_3_13;
    subject.free_threaded = true;
    expect_status(&subject, STATUS_OK);
    cr_expect(not(subject.free_threaded));
    cr_expect(eq(u32, subject.layout.runtime.size, 283408));
    cr_expect(eq(u32, subject.layout.interpreter.modules, 7656));
    cr_expect(eq(u32, subject.layout.interpreter.jit, LAYOUT_ABSENT));
    cr_expect(eq(u32, subject.layout.thread.executor, LAYOUT_ABSENT));
}

Test(debug_offsets, a_3_14_fills_its_row) {
    struct subject subject = SUBJECT_3_14;
    expect_status(&subject, STATUS_OK);
    cr_expect(eq(u32, subject.layout.runtime.interpreters_head, 808));
    cr_expect(eq(u32, subject.layout.interpreter.modules, 7688));
    cr_expect(eq(u32, subject.layout.interpreter.size, 7696));
    cr_expect(eq(u32, subject.layout.interpreter.jit, 223184));
    cr_expect(eq(u32, subject.layout.thread.datastack_limit, 248));
}

Test(debug_offsets, a_32_bit_3_14_fills_its_row) {
    struct subject subject = SUBJECT_3_14_I686;
    expect_status(&subject, STATUS_OK);
    cr_expect(eq(u32, subject.layout.runtime.interpreters_head, 792));
    cr_expect(eq(u32, subject.layout.thread.datastack_top, 144));
    cr_expect(eq(u32, subject.layout.interpreter.jit, 113804));
}

Test(debug_offsets, a_3_15_fills_its_row) {
    struct subject subject = SUBJECT_3_15;
    expect_status(&subject, STATUS_OK);
    cr_expect(eq(u32, subject.layout.interpreter.modules, 7592));
    cr_expect(eq(u32, subject.layout.thread.current_frame, 72));
    cr_expect(eq(u32, subject.layout.thread.executor, 304));
    cr_expect(eq(u32, subject.layout.interpreter.jit, 223408));
}

Test(debug_offsets, members_that_the_table_lacks_move_with_their_neighbours) {
    struct subject subject = SUBJECT_3_14;
    size_t chunk = word_find(&subject, 22, 232);
    subject.words[chunk] += 16;
    expect_status(&subject, STATUS_OK);
    const struct py_layout *row = layout_find(3, 14, 8);
    cr_expect(eq(u32, subject.layout.thread.datastack_chunk, 248));
    cr_expect(eq(u32, subject.layout.thread.id, row->thread.id + 16));
    cr_expect(eq(u32, subject.layout.thread.datastack_top, row->thread.datastack_top + 16));
    cr_expect(eq(u32, subject.layout.thread.datastack_limit, row->thread.datastack_limit + 16));
    cr_expect(eq(u32, subject.layout.thread.executor, row->thread.executor + 16));
    cr_expect(eq(u32, subject.layout.thread.size, row->thread.size + 16));
}

Test(debug_offsets, an_interpreter_of_another_release_has_no_known_jit) {
    struct subject subject = SUBJECT_3_14;
    subject.words[word_find(&subject, 0, 225864)] += 8;
    expect_status(&subject, STATUS_OK);
    cr_expect(eq(u32, subject.layout.interpreter.jit, LAYOUT_ABSENT));
}

Test(debug_offsets, neighbours_must_stay_inside_the_thread_state) {
    struct subject subject = SUBJECT_3_14;
    subject.words[word_find(&subject, 22, 232)] = 832 - 8;
    expect_status(&subject, STATUS_CORRUPT);
    subject = SUBJECT_3_14;
    subject.words[word_find(&subject, 22, 72)] = 232;     /* current_frame is elsewhere, */
    subject.words[word_find(&subject, 22 + 6, 232)] = 80; /* chunk where id has no room before it */
    subject.words[word_find(&subject, 22, 152)] = 240;
    expect_status(&subject, STATUS_OK);
    subject.layout = *layout_find(3, 14, 8);
    subject.words[word_find(&subject, 22 + 6, 80)] = 0;
    expect_status(&subject, STATUS_CORRUPT);
}

Test(debug_offsets, free_threaded_builds_are_told_apart) {
    struct subject subject = SUBJECT_3_14;
    subject.words[FREE_THREADED] = 1;
    expect_status(&subject, STATUS_UNSUPPORTED);
    cr_expect(subject.free_threaded);
    cr_expect(ne(ptr, strstr(subject.error.text, "free-threaded"), NULL));
    subject.words[FREE_THREADED] = 2;
    subject.free_threaded = false;
    expect_status(&subject, STATUS_CORRUPT);
    cr_expect(not(subject.free_threaded));
}

Test(debug_offsets, another_minor_is_refused) {
    struct subject subject = SUBJECT_3_14;
    subject.words[VERSION] = 0x030f00f0;
    expect_status(&subject, STATUS_CORRUPT);
}

Test(debug_offsets, a_minor_without_a_table_is_refused) {
    struct subject subject = SUBJECT_3_14;
    subject.minor = 12;
    subject.layout = *layout_find(3, 12, 8);
    expect_status(&subject, STATUS_UNSUPPORTED);
}

Test(debug_offsets, a_row_of_another_kind_is_refused) {
    struct subject subject = SUBJECT_3_14;
    cr_expect(eq(int,
                 debug_offsets_apply(subject.words, subject.size, 14, 4, &subject.layout,
                                     &subject.free_threaded, &subject.error),
                 STATUS_UNSUPPORTED));
    cr_expect(eq(int,
                 debug_offsets_apply(subject.words, subject.size, 15, 8, &subject.layout,
                                     &subject.free_threaded, &subject.error),
                 STATUS_UNSUPPORTED));
    expect_untouched(&subject);
}

Test(debug_offsets, a_build_laid_out_differently_is_named) {
    struct subject subject = SUBJECT_3_14;
    size_t filename = word_find(&subject, 0, 216) + 1;
    subject.words[filename] += 8;
    expect_status(&subject, STATUS_UNSUPPORTED);
    cr_expect(ne(ptr, strstr(subject.error.text, "co_filename"), NULL), "%s", subject.error.text);
}

Test(debug_offsets, another_object_header_is_refused) {
    struct subject subject = SUBJECT_3_13; /* Py_TRACE_REFS: two more pointers */
    size_t code = word_find(&subject, 0, 208);
    subject.words[word_find(&subject, code, 16)] = 32;
    expect_status(&subject, STATUS_UNSUPPORTED);
}

Test(debug_offsets, two_members_cannot_share_a_place) {
    struct subject subject = SUBJECT_3_14;
    subject.words[word_find(&subject, 0, 7344)] = 7272; /* threads.head on next */
    expect_status(&subject, STATUS_CORRUPT);
    cr_expect(ne(ptr, strstr(subject.error.text, "the same place"), NULL), "%s",
              subject.error.text);
}

Test(debug_offsets, an_offset_must_be_there_and_aligned) {
    struct subject subject = SUBJECT_3_14;
    size_t next = word_find(&subject, 0, 7272); /* PyInterpreterState.next */
    subject.words[next] = 0;
    expect_status(&subject, STATUS_CORRUPT);
    cr_expect(ne(ptr, strstr(subject.error.text, "nothing about next"), NULL), "%s",
              subject.error.text);
    subject.words[next] = 7268;
    expect_status(&subject, STATUS_CORRUPT);
    subject.words[next] = 225864; /* the end of the struct */
    expect_status(&subject, STATUS_CORRUPT);
    subject.words[next] = 7264;
    expect_status(&subject, STATUS_OK);
    cr_expect(eq(u32, subject.layout.interpreter.next, 7264));
}

Test(debug_offsets, the_interpreters_are_not_inside_the_table) {
    struct subject subject = SUBJECT_3_14;
    subject.words[INTERPRETERS_HEAD] = 64;
    expect_status(&subject, STATUS_CORRUPT);
}

Test(debug_offsets, a_table_cut_short_is_refused) {
    struct subject subject = SUBJECT_3_15;
    size_t whole = subject.size;
    for (size_t size = 0; size < whole; ++size) {
        uint8_t *exact = malloc(size == 0 ? 1 : size); /* so that a sanitizer sees a step too far */
        memcpy(exact, subject.words, size);
        cr_assert(eq(int,
                     debug_offsets_apply(exact, size, 15, 8, &subject.layout,
                                         &subject.free_threaded, &subject.error),
                     STATUS_CORRUPT));
        free(exact);
    }
    expect_untouched(&subject);
}

Test(debug_offsets, an_error_is_not_needed) {
    struct subject subject = SUBJECT_3_15;
    subject.words[RUNTIME_SIZE] = 0;
    cr_assert(eq(int,
                 debug_offsets_apply(subject.words, subject.size, 15, 8, &subject.layout,
                                     &subject.free_threaded, NULL),
                 STATUS_CORRUPT));
}

/* Whatever was in the table, what came out of it can be used to read. */
static void expect_sane(const struct subject *subject) {
    const struct py_layout *layout = &subject->layout;
    cr_assert(lt(u32, layout->runtime.interpreters_head, 16U << 20));
    cr_assert(lt(u32, layout->interpreter.next, 16U << 20));
    cr_assert(le(u32, layout->interpreter.size, 16U << 20));
    cr_assert(ge(u32, layout->interpreter.size, layout->interpreter.modules + layout->word_size));
    cr_assert(le(u32, layout->thread.size, 64U << 10));
    cr_assert(ge(u32, layout->thread.size, layout->thread.next + layout->word_size));
    cr_assert(ge(u32, layout->thread.size, layout->thread.datastack_limit + layout->word_size));
    cr_assert(ge(u32, layout->thread.size, layout->thread.id + 8));
}

static void spoil_each_word(struct subject good) {
    static const uint64_t hostile[] = {0,
                                       1,
                                       3,
                                       UINT64_MAX,
                                       INT64_MAX,
                                       UINT32_MAX,
                                       UINT32_MAX - 7,
                                       1ULL << 63,
                                       1ULL << 32,
                                       (16 << 20) + 8,
                                       16 << 20,
                                       64 << 10,
                                       4096,
                                       8,
                                       0x100000008};
    for (size_t i = VERSION; i < good.size / 8; ++i) {
        for (size_t j = 0; j < sizeof hostile / sizeof *hostile; ++j) {
            struct subject subject = good;
            subject.words[i] = hostile[j];
            enum status status = subject_apply(&subject);
            if (status == STATUS_OK) {
                expect_sane(&subject);
            } else {
                cr_assert(status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED);
                expect_untouched(&subject);
            }
        }
        struct subject subject = good;
        subject.words[i] = UINT64_MAX;
        cr_assert(eq(int, subject_apply(&subject), STATUS_CORRUPT), "word %zu", i);
    }
}

Test(debug_offsets, no_single_lie_gets_through) {
    spoil_each_word(SUBJECT_3_13);
    spoil_each_word(SUBJECT_3_14);
    spoil_each_word(SUBJECT_3_14_I686);
    spoil_each_word(SUBJECT_3_15);
}

/* xorshift64: the same bytes in every run. */
static uint64_t random_next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

Test(debug_offsets, random_tables_do_no_harm) {
    uint64_t state = 0x9e3779b97f4a7c15;
    struct subject good[] = {SUBJECT_3_13, SUBJECT_3_14, SUBJECT_3_14_I686, SUBJECT_3_15};
    for (int round = 0; round < 200000; ++round) {
        struct subject subject = good[round % 4];
        /* From a few wrong words to nothing but noise. */
        uint64_t spoiled = 1 + random_next(&state) % (subject.size / 8);
        for (uint64_t i = 0; i < spoiled; ++i) {
            size_t at = 3 + random_next(&state) % (subject.size / 8 - 3);
            subject.words[at] = random_next(&state) >> random_next(&state) % 64;
        }
        enum status status = subject_apply(&subject);
        cr_assert(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED);
        if (status == STATUS_OK) {
            expect_sane(&subject);
        }
    }
}
