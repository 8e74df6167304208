#include <criterion/criterion.h>
#include <elf.h>
#include <string.h>

#include "common/shim_path.h"
#include "made_program.h"

TestSuite(shim_path, .fini = made_remove);

static void expect_path(const char *path, enum program_loader loader, const char *expected) {
    char out[SHIM_PATH_MAX];
    cr_assert(shim_path_of(path, loader, out));
    cr_assert_str_eq(out, expected);
}

Test(shim_path, each_leads_to_the_other) {
    const char *wide = "/usr/lib/echion/libechion-shim.so";
    const char *narrow = "/usr/lib/echion/libechion-shim-i386.so";
    expect_path(wide, PROGRAM_GLIBC_64, wide);
    expect_path(wide, PROGRAM_GLIBC_32, narrow);
    expect_path(narrow, PROGRAM_GLIBC_64, wide);
    expect_path(narrow, PROGRAM_GLIBC_32, narrow);
}

Test(shim_path, descriptors_too) {
    expect_path("/proc/123/fd/64", PROGRAM_GLIBC_64, "/proc/123/fd/64");
    expect_path("/proc/123/fd/64", PROGRAM_GLIBC_32, "/proc/123/fd/65");
    expect_path("/proc/123/fd/65", PROGRAM_GLIBC_64, "/proc/123/fd/64");
    expect_path("/proc/123/fd/109", PROGRAM_GLIBC_64, "/proc/123/fd/108");
    cr_assert(shim_path_is_descriptor("/proc/123/fd/64"));
    cr_assert_not(shim_path_is_descriptor("/procession/libechion-shim.so"));
}

Test(shim_path, there_is_none) {
    char out[SHIM_PATH_MAX];
    char longest[SHIM_PATH_MAX + 64] = "/";
    memset(longest + 1, 'x', SHIM_PATH_MAX - 20);
    memcpy(longest + SHIM_PATH_MAX - 19, "/a", 3);
    cr_assert_not(shim_path_of("/x/libechion-shim.so", PROGRAM_OTHER, out));
    cr_assert_not(shim_path_of("/x/libechion-shim.so", PROGRAM_TEXT, out));
    cr_assert_not(shim_path_of("", PROGRAM_GLIBC_64, out));
    cr_assert_not(shim_path_of("name", PROGRAM_GLIBC_64, out));
    cr_assert_not(shim_path_of("/proc/1/fd/", PROGRAM_GLIBC_64, out));
    cr_assert_not(shim_path_of(longest, PROGRAM_GLIBC_32, out));
}

Test(shim_path, loads_if_it_is_an_object_of_that_size) {
    unsigned char bytes[MADE_MAX];
    struct made_object object = {.machine = EM_X86_64};
    const char *path = made_file(bytes, made_object(&object, bytes));
    cr_assert(shim_path_loads(path, PROGRAM_GLIBC_64));
    cr_assert_not(shim_path_loads(path, PROGRAM_GLIBC_32));
    object = (struct made_object){.narrow = true, .machine = EM_386};
    path = made_file(bytes, made_object(&object, bytes));
    cr_assert(shim_path_loads(path, PROGRAM_GLIBC_32));
    cr_assert_not(shim_path_loads(path, PROGRAM_GLIBC_64));
    cr_assert_not(shim_path_loads(made_script("#!/bin/sh\n"), PROGRAM_GLIBC_64));
    cr_assert_not(shim_path_loads("/no/such/file", PROGRAM_GLIBC_64));
    cr_assert_not(shim_path_loads(path, PROGRAM_OTHER));
}
