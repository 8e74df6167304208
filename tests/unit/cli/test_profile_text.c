#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cli/reading.h"

static struct reading read_text(const char *text) {
    return reading_of(text, strlen(text));
}

static void expect(const char *text, const char *expected) {
    for (int way = 0; way < 2; way++) {
        struct reading reading = way == 0 ? read_text(text) : reading_of_pipe(text, strlen(text));
        cr_assert_eq(reading.status, STATUS_OK, "%s", reading.error.text);
        cr_assert_eq(reading.facts.format, PROFILE_TEXT);
        cr_assert_str_eq(reading.text, expected);
        cr_assert_not(reading.facts.cut);
        cr_assert_eq(reading.facts.skipped, 0);
        free(reading.text);
    }
}

static void expect_refusal(const char *text, const char *reason) {
    struct reading reading = read_text(text);
    cr_assert_eq(reading.status, STATUS_CORRUPT, "%s", text);
    cr_assert_not_null(strstr(reading.error.text, reason), "%s", reading.error.text);
    free(reading.text);
}

Test(profile_text, samples_and_metadata) {
    expect("# austin: 3.7.0\n# mode: wall\n\n"
           "P12;T0:MainThread;/a b.py:f:1;C:/x:y.py:<module>:22 1500\n"
           "P12;T3:a: b c 7\n"
           "# duration: 4: 5\n",
           "austin=3.7.0\nmode=wall\n"
           "12/0/MainThread /a b.py:f;C:/x:y.py:<module> 1500\n"
           "12/3/a: b c  7\n"
           "duration=4: 5\n");
}

Test(profile_text, special_frames) {
    expect("P1;T0:t;a.py:f:1;:INVALID: 1\nP1;T0:t;a.py:f:1;:GC: 2\n"
           "P1;T0:t;kernel:do_sys:0 3\nP1;T0:t;:task:0 4\nP1;T0:t;::-1 5\n",
           "1/0/t a.py:f;:INVALID 1\n1/0/t a.py:f;:GC 2\n"
           "1/0/t kernel:do_sys 3\n1/0/t :task 4\n1/0/t : 5\n");
}

Test(profile_text, what_other_versions_and_modes_write) {
    expect("P1;T77;a.py:f:1 12\n"
           "P1;T0x7f:77;a.py:f:1 12\r\n"
           "P1;T0:77;a.py:f:1 -4096\n"
           "P1;T0:77;a.py:f:1 10,1,-20\n"
           "P1;T-1:77;a.py:f:1 9223372036854775807\n"
           "P1;T0:77;a.py:f:1 -9223372036854775808\n",
           "1/0/77 a.py:f 12\n1/0/0x7f:77 a.py:f 12\n1/0/77 a.py:f -4096\n1/0/77 a.py:f 10\n"
           "1/-1/77 a.py:f 9223372036854775807\n1/0/77 a.py:f -9223372036854775808\n");
}

Test(profile_text, a_record_that_was_cut_off_is_left_out) {
    const char whole[] = "# mode: wall\nP1;T0:t;a.py:f:1 1234\nP1;T0:t;a.py:f:1 5678\n";
    for (size_t size = 1; size < sizeof whole; size++) {
        struct reading reading = reading_of(whole, size);
        cr_assert_eq(reading.status, STATUS_OK, "%zu bytes: %s", size, reading.error.text);
        cr_assert_eq(reading.facts.cut, whole[size - 1] != '\n');
        const char *expected = size < 13   ? ""
                               : size < 35 ? "mode=wall\n"
                               : size < 57 ? "mode=wall\n1/0/t a.py:f 1234\n"
                                           : "mode=wall\n1/0/t a.py:f 1234\n1/0/t a.py:f 5678\n";
        cr_assert_str_eq(reading.text, expected, "%zu bytes", size);
        free(reading.text);
    }
}

Test(profile_text, what_is_no_profile_is_refused) {
    expect_refusal("", "empty");
    expect_refusal("import os\nprint(1)\n", "line 1 is no line of an .austin file: \"import os\"");
    expect_refusal("no line break at all", "line 1");
    expect_refusal("# a comment: yes\nimport os\n", "line 2");
    expect_refusal("#!/bin/sh\n", "line 1");
    expect_refusal("\x7f"
                   "ELF\x02\x01\x01\nx",
                   "?ELF");
    expect_refusal("P1;T0:t;a.py:f:1 \n", "line 1");
    expect_refusal("P1;T0:t;a.py:f:1\n", "line 1");
    expect_refusal("P1;T0:t;a.py:f:1 12x\n", "line 1");
    expect_refusal("P1;T0:t;a.py:f:1 9223372036854775808\n", "line 1");
    expect_refusal("P1;T0:t;a.py:f:1 1,2\n", "line 1");
    expect_refusal("P1;T0:t;a.py:f 12\n", "line 1");
    expect_refusal("P1;T0:t;a.py 12\n", "line 1");
    expect_refusal("P1;T0:t; 12\n", "line 1");
    expect_refusal("P;T0:t;a.py:f:1 12\n", "line 1");
    expect_refusal("Px;T0:t;a.py:f:1 12\n", "line 1");
    expect_refusal("P1;X0:t;a.py:f:1 12\n", "line 1");
    expect_refusal("P1 12\n", "line 1");
    expect_refusal("P1;\n", "line 1");
    expect_refusal(" ;T \n", "line 1");
    expect_refusal("a;b;c 12\n", "line 1");
}

Test(profile_text, strange_lines_among_samples_are_left_out_and_counted) {
    struct reading reading = read_text("P1;T0:t;a.py:f:1 1\nhello from the program\n# and more\n"
                                       "P1;T0:t;a.py:f 1\nP1;T0:t;a.py:f:1 2\n");
    cr_assert_eq(reading.status, STATUS_OK);
    cr_assert_eq(reading.facts.skipped, 3);
    cr_assert_str_eq(reading.text, "1/0/t a.py:f 1\n1/0/t a.py:f 2\n");
    free(reading.text);
}

Test(profile_text, deep_stacks_and_long_lines) {
    size_t frames = 200000;
    char *text = malloc(frames * 12 + 100);
    size_t size = (size_t)sprintf(text, "P1;T0:t");
    for (size_t i = 0; i < frames; i++) {
        size += (size_t)sprintf(text + size, ";a.py:f%zu:%zu", i % 10, i % 10);
    }
    size += (size_t)sprintf(text + size, " 99\n");
    struct reading reading = reading_of(text, size);
    cr_assert_eq(reading.status, STATUS_OK);
    cr_assert_eq(strncmp(reading.text, "1/0/t a.py:f0;a.py:f1;a.py:f2;", 30), 0);
    cr_assert_str_eq(reading.text + strlen(reading.text) - 12, ";a.py:f9 99\n");
    free(reading.text);
    free(text);
}

Test(profile_text, a_line_without_an_end_is_refused_at_some_point) {
    size_t size = (size_t)PROFILE_INPUT_PIECE_MAX + 512 * 1024UL;
    char *text = malloc(size);
    memset(text, 'P', size);
    struct reading reading = reading_of_pipe(text, size);
    cr_assert_eq(reading.status, STATUS_CORRUPT);
    cr_assert_not_null(strstr(reading.error.text, "longer than 16 MiB"), "%s", reading.error.text);
    free(reading.text);
    free(text);
}
