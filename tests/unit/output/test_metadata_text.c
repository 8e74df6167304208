#include "daemon/output/metadata_text.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void expect(char *(*clean)(const char *), const char *text, const char *expected) {
    char *copy = clean(text);
    cr_assert_str_eq(copy, expected);
    free(copy);
}

Test(metadata_text, what_is_clean_stays) {
    expect(metadata_text_value, "", "");
    expect(metadata_text_value, "python app.py: 1; 2 # x", "python app.py: 1; 2 # x");
    expect(metadata_text_value, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\x8D",
           "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\x8D");
}

Test(metadata_text, lines_and_controls_are_replaced) {
    expect(metadata_text_value, "a\nb\r\tc\x1b[31m\x7f", "a_b__c_[31m_");
    expect(metadata_text_value, "\xC2\x85\xE2\x80\xA8\xE2\x80\xA9\xC2\xA0", "___\xC2\xA0");
    expect(metadata_text_key, "a: b\n", "a_ b_");
}

Test(metadata_text, what_is_no_utf8_is_replaced_byte_by_byte) {
    expect(metadata_text_value, "\x80", "\xEF\xBF\xBD");
    expect(metadata_text_value, "a\xC3", "a\xEF\xBF\xBD");
    expect(metadata_text_value, "\xE2\x82", "\xEF\xBF\xBD\xEF\xBF\xBD");
    expect(metadata_text_value, "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD");
    expect(metadata_text_value, "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    expect(metadata_text_value, "\xF4\x90\x80\x80x",
           "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx");
    expect(metadata_text_value, "\xE0\x80\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}
