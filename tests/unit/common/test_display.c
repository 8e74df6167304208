#include "common/display.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void expect_clean(const char *text, const char *expected) {
    char *clean = display_clean(text, strlen(text));
    cr_assert_str_eq(clean, expected);
    free(clean);
}

static void expect_cut(const char *text, size_t columns, const char *expected) {
    char *copy = strdup(text);
    const char *cut = display_cut_front(copy, columns);
    cr_assert_str_eq(cut, expected);
    cr_assert_leq(display_width(cut), columns);
    free(copy);
}

Test(display, nothing_reaches_the_terminal_that_commands_it) {
    expect_clean("/a b/\xC3\xA9.py:f", "/a b/\xC3\xA9.py:f");
    expect_clean("\x1b[2Jx\r\n\t\x07\x7f", "?[2Jx?????");
    expect_clean("\xC2\x9B"
                 "31m",
                 "?31m"); /* CSI as one C1 character */
    /* A right-to-left override and an isolate, not as a literal that would turn this line. */
    static const char turning[] = {'a', '\xE2', '\x80', '\xAE', 'b', '\xE2', '\x81', '\xA6', 0};
    expect_clean(turning, "a?b?");
    expect_clean("\xFF\xC3", "\xEF\xBF\xBD\xEF\xBF\xBD");
    char *clean = display_clean("a\0b", 3);
    cr_assert_str_eq(clean, "a?b");
    free(clean);
}

Test(display, width_counts_columns) {
    cr_assert_eq(display_width(""), 0);
    cr_assert_eq(display_width("abc"), 3);
    cr_assert_eq(display_width("\xC3\xA9"), 1);
    cr_assert_eq(display_width("e\xCC\x81"), 1);                /* e and a combining acute */
    cr_assert_eq(display_width("\xE5\x90\x8D\xE5\x89\x8D"), 4); /* two CJK characters */
    cr_assert_eq(display_width("\xF0\x9F\x90\x8D"), 2);         /* a snake */
    cr_assert_eq(display_width("\xEF\xBD\xB1"), 1);             /* half-width katakana */
}

Test(display, names_are_cut_at_their_front) {
    expect_cut("short", 5, "short");
    expect_cut("/a/long/path/module.py:function", 13, "...y:function");
    expect_cut("abcdefghij", 9, "...efghij");
    expect_cut("abcdefghij", 4, "...j");
    /* A character of two columns that would be halved goes whole. */
    expect_cut("\xE5\x90\x8D\xE5\x89\x8D\xE5\x90\x8D\xE5\x89\x8D", 7,
               "...\xE5\x90\x8D\xE5\x89\x8D");
    expect_cut("\xE5\x90\x8D\xE5\x89\x8D\xE5\x90\x8D\xE5\x89\x8D", 6, "...\xE5\x89\x8D");
    /* What combines goes with the character in front of it. */
    expect_cut("abcdefe\xCC\x81"
               "h",
               5, "...e\xCC\x81h");
    expect_cut("abcdefe\xCC\x81"
               "h",
               4, "...h");
}
