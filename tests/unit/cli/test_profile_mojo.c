#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cli/reading.h"

#define EXPECT(literal, expected) expect((literal), sizeof(literal) - 1, (expected))
#define EXPECT_REFUSAL(literal, status, reason)                                                    \
    expect_refusal((literal), sizeof(literal) - 1, (status), (reason))

static void expect(const char *bytes, size_t size, const char *expected) {
    for (int way = 0; way < 2; way++) {
        struct reading reading = way == 0 ? reading_of(bytes, size) : reading_of_pipe(bytes, size);
        cr_assert_eq(reading.status, STATUS_OK, "%s", reading.error.text);
        cr_assert_eq(reading.facts.format, PROFILE_MOJO);
        cr_assert_str_eq(reading.text, expected);
        cr_assert_not(reading.facts.cut);
        free(reading.text);
    }
}

static void expect_refusal(const char *bytes, size_t size, enum status status, const char *reason) {
    struct reading reading = reading_of(bytes, size);
    cr_assert_eq(reading.status, status, "%s", reading.error.text);
    cr_assert_not_null(strstr(reading.error.text, reason), "%s", reading.error.text);
    free(reading.text);
}

static const char version_3[] = "MOJ\x03"
                                "\x01mode\0wall\0"
                                "\x02\x3F\x01Main\0"
                                "\x0B\x02"
                                "a.py\0"
                                "\x0B\x03"
                                "f\0"
                                "\x03\x01\x02\x03\x07\x07\x05\x09"
                                "\x05\x01\x05\x01\x04"
                                "\x09\xA4\x01"
                                "\x02\x3F\x01Main\0"
                                "\x05\x01"
                                "\x09\x80\x01"
                                "\x01gc\0"
                                "0\0";
static const char version_3_text[] = "mode=wall\n63/1/Main a.py:f;a.py:f;:INVALID 100\n"
                                     "63/1/Main a.py:f 64\ngc=0\n";

Test(profile_mojo, version_3) {
    expect(version_3, sizeof version_3 - 1, version_3_text);
}

Test(profile_mojo, version_1_has_neither_interpreters_nor_columns) {
    EXPECT("MOJ\x01"
           "\x02\x3F"
           "7f\0"
           "\x0B\x02"
           "a.py\0"
           "\x03\x09\x02\x01\x07"
           "\x05\x09"
           "\x09\x05",
           "63/0/7f a.py:<unknown> 5\n");
}

Test(profile_mojo, version_2_has_columns) {
    EXPECT("MOJ\x02"
           "\x02\x3F"
           "7f\0"
           "\x0B\x02"
           "a.py\0"
           "\x03\x09\x02\x01\x07\0\0\0"
           "\x05\x09"
           "\x09\x05",
           "63/0/7f a.py:<unknown> 5\n");
}

Test(profile_mojo, everything_else_that_a_sample_may_have) {
    EXPECT("MOJ\x03"
           "\x01mode\0full\0"
           "\x02\x01\0t\0"
           "\x06"
           "do_sys\0"
           "\x07"
           "\x09\x05"
           "\x08"
           "\x0A\xC3\x02"
           "\x02\x01\0t\0"
           "\x0B\x05x\0"
           "\x0C\x05"
           "\x09\x06"
           "\x0A\x01",
           "mode=full\n1/0/t kernel:do_sys;:GC 5\n1/0/t  6\n");
    EXPECT("MOJ\x03"
           "\x01mode\0memory\0"
           "\x02\x01\0t\0"
           "\x0A\xC3\x02",
           "mode=memory\n1/0/t  -131\n");
}

Test(profile_mojo, keys_hold_within_their_process_and_can_be_given_anew) {
    EXPECT("MOJ\x03"
           "\x02\x01\0t\0"
           "\x0B\x02"
           "a\0"
           "\x03\x01\x02\x02\x01\x01\x01\x01"
           "\x05\x01"
           "\x09\x01"
           "\x02\x02\0t\0"
           "\x0B\x02"
           "b\0"
           "\x03\x01\x02\x02\x01\x01\x01\x01"
           "\x05\x01"
           "\x09\x02"
           "\x02\x01\0t\0"
           "\x05\x01"
           "\x09\x03"
           "\x02\x01\0t\0"
           "\x0B\x02"
           "c\0"
           "\x03\x01\x02\0\x01\x01\x01\x01"
           "\x05\x01"
           "\x09\x04",
           "1/0/t a:a 1\n2/0/t b:b 2\n1/0/t a:a 3\n1/0/t c: 4\n");
}

Test(profile_mojo, numbers_of_any_length) {
    EXPECT("MOJ\x03"
           "\x02\x80\x01\x41\0"
           "\x09\xBF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"
           "\x02\x80\x01\x41\0"
           "\x09\xC0\x80\x80\x80\x80\x80\x80\x80\x80\x02"
           "\x02\x80\x80\x80\0\0\0"
           "\x09\x80\0",
           "64/-1/ "
           " 9223372036854775807\n64/-1/ "
           " -9223372036854775808\n0/0/ "
           " 0\n");
    EXPECT_REFUSAL("MOJ\x03"
                   "\x02\x01\0t\0"
                   "\x09\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01",
                   STATUS_CORRUPT, "a number is too long");
}

/* Cut anywhere, everything that stood whole before is read. */
Test(profile_mojo, a_record_that_was_cut_off_is_left_out) {
    size_t length_before = 0;
    for (size_t size = 4; size < sizeof version_3; size++) {
        struct reading reading = reading_of(version_3, size);
        cr_assert_eq(reading.status, STATUS_OK, "%zu bytes: %s", size, reading.error.text);
        size_t length = strlen(reading.text);
        cr_assert_eq(strncmp(reading.text, version_3_text, length), 0, "%zu: %s", size,
                     reading.text);
        cr_assert(length == 0 || reading.text[length - 1] == '\n');
        cr_assert_geq(length, length_before);
        length_before = length;
        /* Whole are: the header, each of two metadata events, each of two samples. */
        bool whole = size == 4 || size == 15 || size == 50 || size == 63 || size == 69;
        cr_assert_eq(reading.facts.cut, !whole, "%zu bytes", size);
        free(reading.text);
    }
    cr_assert_eq(length_before, strlen(version_3_text));
}

Test(profile_mojo, a_sample_that_lacks_its_last_metric_was_cut_off) {
    struct reading reading = reading_of("MOJ\x03\x01mode\0full\0\x02\x01\0t\0\x09\x05", 21);
    cr_assert_eq(reading.status, STATUS_OK);
    cr_assert(reading.facts.cut);
    cr_assert_str_eq(reading.text, "mode=full\n");
    free(reading.text);
}

Test(profile_mojo, damage_is_told_with_its_place) {
    EXPECT_REFUSAL("M", STATUS_CORRUPT, "only the first bytes");
    EXPECT_REFUSAL("MOJ", STATUS_CORRUPT, "only the first bytes");
    EXPECT_REFUSAL("MOJ\x05", STATUS_UNSUPPORTED, "version 5");
    EXPECT_REFUSAL("MOJ\0", STATUS_UNSUPPORTED, "version 0");
    EXPECT_REFUSAL("MOJ\x80", STATUS_UNSUPPORTED, "version");
    EXPECT_REFUSAL("MOJ\x03"
                   "\x02\x01\0t\0"
                   "\x05\x01",
                   STATUS_CORRUPT, "frame that is not defined, in front of byte 11");
    EXPECT_REFUSAL("MOJ\x03"
                   "\x02\x01\0t\0"
                   "\x03\x01\x02\x01\x01\x01\x01\x01",
                   STATUS_CORRUPT, "name that is not defined");
    EXPECT_REFUSAL("MOJ\x03"
                   "\x63",
                   STATUS_CORRUPT, "no such event, in front of byte 5");
    EXPECT_REFUSAL("MOJ\x03"
                   "\0",
                   STATUS_CORRUPT, "no such event");
    EXPECT_REFUSAL("MOJ\x04"
                   "\x02\x01\0t\0"
                   "\x0D",
                   STATUS_UNSUPPORTED, "repeats");
}

Test(profile_mojo, stacks_may_be_deep_but_not_endless) {
    static const char begin[] = {'M', 'O', 'J', 3, 2, 1, 0, 't', 0};
    size_t size = sizeof begin + (2U << 20);
    char *bytes = malloc(size);
    memcpy(bytes, begin, sizeof begin);
    memset(bytes + sizeof begin, 4, 2U << 20);
    expect_refusal(bytes, size, STATUS_CORRUPT, "too deep");
    free(bytes);
}
