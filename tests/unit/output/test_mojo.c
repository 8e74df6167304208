#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/output/made.h"
#include "tests/unit/output/written.h"

/* All that was written, compared byte by byte with a string literal (its own NUL left out). */
#define EXPECT(written, literal) expect((written), (literal), sizeof(literal) - 1)

static void expect(struct written *written, const char *expected, size_t expected_size) {
    size_t size;
    char *bytes = written_contents(written, &size);
    cr_assert_arr_eq(bytes, expected, size < expected_size ? size : expected_size);
    cr_assert_eq(size, expected_size, "%zu bytes, %zu expected", size, expected_size);
    free(bytes);
}

static size_t occurrences(const char *bytes, size_t size, const char *what, size_t what_size) {
    size_t count = 0;
    for (size_t i = 0; i + what_size <= size; i++) {
        count += memcmp(bytes + i, what, what_size) == 0;
    }
    return count;
}

Test(mojo, a_file_begins_with_its_version) {
    struct written written = written_make(OUTPUT_FORMAT_MOJO);
    EXPECT(&written, "MOJ\x03");
    written_end(&written);
}

Test(mojo, definitions_stand_in_front_of_their_first_use) {
    struct written written = written_make(OUTPUT_FORMAT_MOJO);
    struct batch *batch = written_batch(OUTPUT_FORMAT_MOJO);
    struct error error;
    const struct code *module = made_code("a.py", "m", 1, 10);
    const struct code *work = made_code("a.py", "w", 70, 10);
    uint32_t thread = batch_thread(batch, 63, 0, "Main");
    uint32_t inner = MADE_STACK(batch, {module, 4}, {work, 0});
    uint32_t torn = MADE_STACK(batch, {module, 5}, {NULL, 0});
    cr_assert(batch_sample(batch, thread, inner, 1, 100));
    cr_assert(batch_sample(batch, thread, inner, 1, 64));
    cr_assert(batch_sample(batch, thread, torn, 1, 8192));
    cr_assert(batch_sample(batch, thread, BATCH_EMPTY_STACK, 1, 0));
    cr_assert_eq(writer_metadata(written.writer, "mode", "wall", &error), STATUS_OK);
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    cr_assert_eq(writer_metadata_number(written.writer, "gc", -1, &error), STATUS_OK);
    EXPECT(&written, "MOJ\x03"
                     "\x01mode\0wall\0"
                     "\x02\x3F\0Main\0"
                     /* file 2, scopes 3 and 4; frames 1 (line 3) and 2 (line 70), columns 5 to 9 */
                     "\x0B\x02"
                     "a.py\0"
                     "\x0B\x03"
                     "m\0"
                     "\x03\x01\x02\x03\x03\x03\x05\x09"
                     "\x0B\x04"
                     "w\0"
                     "\x03\x02\x02\x04\x86\x01\x86\x01\x05\x09"
                     "\x05\x01\x05\x02"
                     "\x09\xA4\x01"
                     "\x02\x3F\0Main\0"
                     "\x05\x01\x05\x02"
                     "\x09\x80\x01"
                     "\x02\x3F\0Main\0"
                     "\x05\x01\x04"
                     "\x09\x80\x80\x01"
                     "\x02\x3F\0Main\0"
                     "\x09\0"
                     "\x01gc\0-1\0");
    batch_destroy(batch);
    written_end(&written);
}

Test(mojo, definitions_hold_within_their_process) {
    struct written written = written_make(OUTPUT_FORMAT_MOJO);
    struct batch *batch = written_batch(OUTPUT_FORMAT_MOJO);
    struct error error;
    const struct code *code = made_code("a.py", "f", 1, 1);
    uint32_t first = batch_thread(batch, 1, 0, "x");
    uint32_t second = batch_thread(batch, 2, 0, "y");
    uint32_t node = MADE_STACK(batch, {code, 0});
    for (int round = 0; round < 2; round++) {
        cr_assert(batch_sample(batch, first, node, 1, 1));
        cr_assert(batch_sample(batch, second, node, 1, 1));
    }
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    EXPECT(&written, "MOJ\x03"
                     "\x02\x01\0x\0"
                     "\x0B\x02"
                     "a.py\0"
                     "\x0B\x03"
                     "f\0"
                     "\x03\x01\x02\x03\x01\x01\x05\x09"
                     "\x05\x01"
                     "\x09\x01"
                     "\x02\x02\0y\0"
                     "\x0B\x04"
                     "a.py\0"
                     "\x0B\x05"
                     "f\0"
                     "\x03\x02\x04\x05\x01\x01\x05\x09"
                     "\x05\x02"
                     "\x09\x01"
                     "\x02\x01\0x\0"
                     "\x05\x01"
                     "\x09\x01"
                     "\x02\x02\0y\0"
                     "\x05\x02"
                     "\x09\x01");
    batch_destroy(batch);
    written_end(&written);
}

Test(mojo, many_equal_samples_are_written_one_by_one_and_their_time_adds_up) {
    struct written written = written_make(OUTPUT_FORMAT_MOJO);
    struct batch *batch = written_batch(OUTPUT_FORMAT_MOJO);
    struct error error;
    cr_assert(batch_sample(batch, batch_thread(batch, 1, 0, "x"), BATCH_EMPTY_STACK, 4, 14));
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    EXPECT(&written, "MOJ\x03"
                     "\x02\x01\0x\0\x09\x03"
                     "\x02\x01\0x\0\x09\x03"
                     "\x02\x01\0x\0\x09\x04"
                     "\x02\x01\0x\0\x09\x04");
    batch_destroy(batch);
    written_end(&written);
}

Test(mojo, numbers_of_any_size_and_sign) {
    struct written written = written_make(OUTPUT_FORMAT_MOJO);
    struct batch *batch = written_batch(OUTPUT_FORMAT_MOJO);
    struct error error;
    uint32_t thread = batch_thread(batch, 64, -1, "");
    cr_assert(batch_sample(batch, thread, BATCH_EMPTY_STACK, 1, -131));
    cr_assert(batch_sample(batch, thread, BATCH_EMPTY_STACK, 1, INT64_MAX));
    cr_assert(batch_sample(batch, thread, BATCH_EMPTY_STACK, 1, INT64_MIN));
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    EXPECT(&written, "MOJ\x03"
                     "\x02\x80\x01\x41\0\x09\xC3\x02"
                     "\x02\x80\x01\x41\0\x09\xBF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"
                     "\x02\x80\x01\x41\0\x09\xC0\x80\x80\x80\x80\x80\x80\x80\x80\x02");
    batch_destroy(batch);
    written_end(&written);
}

Test(mojo, a_nameless_function_is_unknown_and_trampolines_do_not_show) {
    struct written written = written_make(OUTPUT_FORMAT_MOJO);
    struct batch *batch = written_batch(OUTPUT_FORMAT_MOJO);
    struct error error;
    const struct code *code = made_code("", "", 1, 1);
    uint32_t thread = batch_thread(batch, 1, 0, "x");
    uint32_t node = MADE_STACK(batch, {made_hidden_code(), 0}, {code, 0});
    cr_assert(batch_sample(batch, thread, node, 1, 1));
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    EXPECT(&written, "MOJ\x03"
                     "\x02\x01\0x\0"
                     "\x0B\x02\0"
                     "\x03\x01\x02\x01\x01\x01\x05\x09"
                     "\x05\x01"
                     "\x09\x01");
    batch_destroy(batch);
    written_end(&written);
}

Test(mojo, a_code_in_the_place_of_another_is_defined_anew) {
    struct written written = written_make(OUTPUT_FORMAT_MOJO);
    struct batch *batch = written_batch(OUTPUT_FORMAT_MOJO);
    struct error error;
    struct code place = *made_code("a.py", "first", 1, 1);
    for (int round = 0; round < 3; round++) {
        if (round == 2) {
            place = *made_code("a.py", "second", 1, 1);
        }
        uint32_t node = MADE_STACK(batch, {&place, 0});
        cr_assert(batch_sample(batch, batch_thread(batch, 1, 0, "x"), node, 1, 1));
        cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
        batch_clear(batch);
    }
    EXPECT(&written, "MOJ\x03"
                     "\x02\x01\0x\0"
                     "\x0B\x02"
                     "a.py\0"
                     "\x0B\x03"
                     "first\0"
                     "\x03\x01\x02\x03\x01\x01\x05\x09"
                     "\x05\x01"
                     "\x09\x01"
                     "\x02\x01\0x\0"
                     "\x05\x01"
                     "\x09\x01"
                     "\x02\x01\0x\0"
                     "\x0B\x04"
                     "second\0"
                     "\x03\x02\x02\x04\x01\x01\x05\x09"
                     "\x05\x02"
                     "\x09\x01");
    batch_destroy(batch);
    written_end(&written);
}

Test(mojo, metadata_is_clean) {
    struct written written = written_make(OUTPUT_FORMAT_MOJO);
    struct error error;
    cr_assert_eq(writer_metadata(written.writer, "k\x1b", "v\xC3\n", &error), STATUS_OK);
    EXPECT(&written, "MOJ\x03\x01k_\0v\xEF\xBF\xBD_\0");
    written_end(&written);
}

/* More code than is remembered; the file name is forgotten now and then, and defined again. */
Test(mojo, endless_new_code_does_not_repeat_its_file_name) {
    enum { ROUNDS = 300, CODES = 500 };
    struct written written = written_make(OUTPUT_FORMAT_MOJO);
    struct batch *batch = written_batch(OUTPUT_FORMAT_MOJO);
    struct error error;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t thread = batch_thread(batch, 1, 0, "x");
        for (int i = 0; i < CODES; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "f%d", round * CODES + i);
            const struct code *code = made_code("a.py", name, 1, 1);
            cr_assert(batch_sample(batch, thread, MADE_STACK(batch, {code, 0}), 1, 1));
        }
        cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
        batch_clear(batch);
    }
    size_t size;
    char *bytes = written_contents(&written, &size);
    cr_assert_geq(occurrences(bytes, size, "a.py", 5), 1);
    cr_assert_leq(occurrences(bytes, size, "a.py", 5), ROUNDS);
    free(bytes);
    batch_destroy(batch);
    written_end(&written);
}
