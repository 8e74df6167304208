#include "cli/names.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct names *make(void) {
    struct names *names = NULL;
    cr_assert_eq(names_create(&names), STATUS_OK);
    return names;
}

static uint32_t intern(struct names *names, const char *bytes, size_t size) {
    uint32_t number;
    cr_assert_eq(names_intern(names, bytes, size, &number), STATUS_OK);
    return number;
}

Test(names, each_string_has_one_number) {
    struct names *names = make();
    cr_assert_eq(intern(names, "a", 1), 0);
    cr_assert_eq(intern(names, "b", 1), 1);
    cr_assert_eq(intern(names, "", 0), 2);
    cr_assert_eq(intern(names, "a\0b", 3), 3);
    cr_assert_eq(intern(names, "a\0c", 3), 4);
    cr_assert_eq(intern(names, "a", 1), 0);
    cr_assert_eq(intern(names, "", 0), 2);
    cr_assert_eq(intern(names, "a\0b", 3), 3);
    cr_assert_eq(names_count(names), 5);
    size_t size;
    cr_assert_arr_eq(names_text(names, 3, &size), "a\0b", 4);
    cr_assert_eq(size, 3);
    cr_assert_str_eq(names_text(names, 2, NULL), "");
    names_destroy(names);
}

Test(names, many_strings) {
    struct names *names = make();
    char text[64];
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 100000; i++) {
            int size = snprintf(text, sizeof text, "/some/where/module_%u.py:function", i);
            cr_assert_eq(intern(names, text, (size_t)size), i);
        }
    }
    cr_assert_eq(names_count(names), 100000);
    cr_assert_str_eq(names_text(names, 77777, NULL), "/some/where/module_77777.py:function");
    names_destroy(names);
}

Test(names, there_is_a_limit) {
    struct names *names = make();
    uint32_t number = 77;
    cr_assert_eq(names_intern(names, "x", NAMES_BYTES_MAX, &number), STATUS_NOMEM);
    cr_assert_eq(number, 77, "outputs stay untouched on failure");
    cr_assert_eq(names_count(names), 0);
    names_destroy(names);
    names_destroy(NULL);
}
