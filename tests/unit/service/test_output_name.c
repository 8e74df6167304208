#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/service/output_name.h"

static void expect_name(const char *pattern, pid_t pid, const char *expected) {
    char *name = output_name_expand(pattern, pid);
    cr_assert_str_eq(name, expected);
    free(name);
}

Test(output_name, the_pid_takes_every_place) {
    expect_name("%(pid).austin", 42, "42.austin");
    expect_name("%(pid)", 2147483647, "2147483647");
    expect_name("a/%(pid)/b-%(pid)-%(pid).mojo", 7, "a/7/b-7-7.mojo");
    expect_name("plain", 7, "plain");
    expect_name("", 7, "");
    expect_name("%(pi%(pid)d)", 7, "%(pi7d)");
    expect_name("%(PID) %pid %%(pid)", 7, "%(PID) %pid %7");
}

Test(output_name, the_suffix_is_the_format) {
    static const struct {
        const char *name;
        enum output_format format;
    } good[] = {
        {"x.austin", OUTPUT_FORMAT_AUSTIN},   {"x.mojo", OUTPUT_FORMAT_MOJO},
        {"x", OUTPUT_FORMAT_AUSTIN},          {"a.b/x", OUTPUT_FORMAT_AUSTIN},
        {"a.svg/x.mojo", OUTPUT_FORMAT_MOJO}, {".hidden", OUTPUT_FORMAT_AUSTIN},
        {"x.", OUTPUT_FORMAT_AUSTIN},         {"x.svg.austin", OUTPUT_FORMAT_AUSTIN},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        enum output_format format = OUTPUT_FORMAT_AUSTIN;
        cr_assert_eq(output_name_format(good[i].name, &format, NULL), STATUS_OK, "%s",
                     good[i].name);
        cr_assert_eq(format, good[i].format, "%s", good[i].name);
    }
}

Test(output_name, an_unknown_suffix_names_the_option) {
    static const char *const bad[] = {"x.svg", "x.AUSTIN", "x.austin.gz", "a/b.json", "x.mojo2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        enum output_format format = OUTPUT_FORMAT_MOJO;
        struct error error;
        cr_assert_eq(output_name_format(bad[i], &format, &error), STATUS_UNSUPPORTED, "%s", bad[i]);
        cr_assert_not_null(strstr(error.text, "--format"));
        cr_assert_eq(format, OUTPUT_FORMAT_MOJO);
    }
}

Test(output_name, descriptors) {
    cr_assert_eq(output_name_descriptor("-"), 1);
    cr_assert_eq(output_name_descriptor("/dev/stdout"), 1);
    cr_assert_eq(output_name_descriptor("/dev/stderr"), 2);
    cr_assert_eq(output_name_descriptor("/dev/fd/3"), 3);
    cr_assert_eq(output_name_descriptor("/proc/self/fd/12"), 12);
    cr_assert_eq(output_name_descriptor("/dev/fd/"), -1);
    cr_assert_eq(output_name_descriptor("/dev/fd/3x"), -1);
    cr_assert_eq(output_name_descriptor("/dev/fd/99999999999"), -1);
    cr_assert_eq(output_name_descriptor("/dev/null"), -1);
    cr_assert_eq(output_name_descriptor("./-"), -1);
}
