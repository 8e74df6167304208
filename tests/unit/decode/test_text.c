#include <criterion/criterion.h>
#include <string.h>

#include "daemon/decode/text.h"

static char out[TEXT_MAX];

static const char *text1(const char *units, enum text_use use) {
    (void)text_from_unicode(1, (const uint8_t *)units, strlen(units), use, out, sizeof out);
    return out;
}

#define TEXT(kind, use, ...)                                                                       \
    ({                                                                                             \
        const uint##kind##_t units[] = {__VA_ARGS__};                                              \
        size_t size = text_from_unicode(kind / 8, (const uint8_t *)units,                          \
                                        sizeof units / sizeof *units, use, out, sizeof out);       \
        cr_expect_eq(size, strlen(out));                                                           \
        out;                                                                                       \
    })

Test(text, every_kind_becomes_utf8) {
    cr_expect_str_eq(text1("plain_name", TEXT_FUNCTION), "plain_name");
    cr_expect_str_eq(TEXT(8, TEXT_FILE, 'c', 'a', 'f', 0xE9), "caf\xC3\xA9");
    cr_expect_str_eq(TEXT(16, TEXT_FILE, 0x540D, 0x524D, 0x7FF, 0x800),
                     "\xE5\x90\x8D\xE5\x89\x8D\xDF\xBF\xE0\xA0\x80");
    cr_expect_str_eq(TEXT(32, TEXT_FILE, 0x1F40D, 'x', 0xE9, 0x10FFFF),
                     "\xF0\x9F\x90\x8Dx\xC3\xA9\xF4\x8F\xBF\xBF");
}

Test(text, what_is_no_character_is_replaced) {
    cr_expect_str_eq(TEXT(16, TEXT_FILE, 0xD800, 'a', 0xDFFF), "\xEF\xBF\xBD"
                                                               "a\xEF\xBF\xBD");
    cr_expect_str_eq(TEXT(32, TEXT_FILE, 0x110000, 0xFFFFFFFF, 0xDC80),
                     "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

Test(text, separators_and_controls_become_underscores) {
    cr_expect_str_eq(text1("a;b\nc\rd\te\x1b\x7f", TEXT_FILE), "a_b_c_d_e__");
    cr_expect_str_eq(TEXT(8, TEXT_FILE, 'a', 0, 0x85, 0x9B, 0xA0), "a___\xC2\xA0");
    cr_expect_str_eq(TEXT(16, TEXT_THREAD, 'z', 0x2028, 0x2029), "z__");
}

Test(text, colons_go_from_functions_only) {
    cr_expect_str_eq(text1("a:b", TEXT_FUNCTION), "a_b");
    cr_expect_str_eq(text1("C:\\a.py", TEXT_FILE), "C:\\a.py");
    cr_expect_str_eq(text1("pool:1", TEXT_THREAD), "pool:1");
}

Test(text, a_thread_that_reads_as_a_number_is_quoted) {
    cr_expect_str_eq(text1("dead", TEXT_THREAD), "\"dead\"");
    cr_expect_str_eq(text1("0xFeed", TEXT_THREAD), "\"0xFeed\"");
    cr_expect_str_eq(text1("12_3", TEXT_THREAD), "\"12_3\"");
    cr_expect_str_eq(text1(" -7 ", TEXT_THREAD), "\" -7 \"");
    cr_expect_str_eq(TEXT(16, TEXT_THREAD, 0x0663, 'f'), "\"\xD9\xA3"
                                                         "f\"");
    cr_expect_str_eq(text1("dead", TEXT_FUNCTION), "dead");
    cr_expect_str_eq(text1("deadlock", TEXT_THREAD), "deadlock");
    cr_expect_str_eq(text1("Thread-1", TEXT_THREAD), "Thread-1");
    cr_expect_str_eq(text1("x", TEXT_THREAD), "x");
    cr_expect_str_eq(text1("", TEXT_THREAD), "");
}

Test(text, long_names_are_cut_between_characters) {
    uint16_t units[3000];
    for (size_t i = 0; i < 3000; i++) {
        units[i] = 0x540D;
    }
    const uint8_t *bytes = (const uint8_t *)units;
    size_t size = text_from_unicode(2, bytes, 3000, TEXT_FILE, out, sizeof out);
    cr_expect_eq(size, (TEXT_MAX - 1) / 3 * 3);
    cr_expect_eq(strlen(out), size);
    for (size_t capacity = 1; capacity < 9; capacity++) {
        char small[16];
        memset(small, '#', sizeof small);
        size = text_from_unicode(2, bytes, 3000, TEXT_FILE, small, capacity);
        cr_expect_eq(size, (capacity - 1) / 3 * 3);
        cr_expect_eq(small[size], '\0');
        cr_expect_eq(small[capacity], '#');
    }
}

Test(text, a_cut_number_is_quoted_all_the_same) {
    for (size_t capacity = 1; capacity < 9; capacity++) {
        char small[16];
        memset(small, '#', sizeof small);
        size_t size =
            text_from_unicode(1, (const uint8_t *)"deadbeef", 8, TEXT_THREAD, small, capacity);
        cr_expect_lt(size, capacity);
        cr_expect_eq(strlen(small), size);
        cr_expect_eq(small[capacity], '#');
        if (capacity > 2) {
            cr_expect_eq(small[0], '"');
            cr_expect_eq(small[size - 1], '"');
        }
    }
}

Test(text, an_unknown_kind_gives_nothing) {
    cr_expect_eq(text_from_unicode(3, (const uint8_t *)"abc", 1, TEXT_FILE, out, sizeof out), 0);
    cr_expect_str_eq(out, "");
}

Test(text, a_string_object_is_taken_by_its_kind) {
    uint16_t units[] = {0x540D, ';'};
    const struct string_object string = {.bytes = (uint8_t *)units, .length = 2, .kind = 2};
    cr_expect_eq(text_from_string(&string, TEXT_FUNCTION, out), 4);
    cr_expect_str_eq(out, "\xE5\x90\x8D_");
}
