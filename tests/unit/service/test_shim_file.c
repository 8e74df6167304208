#include <criterion/criterion.h>
#include <string.h>

#include "daemon/service/shim_file.h"

/* This program lies elsewhere than echiond does: there is none beside it. */
Test(shim_file, is_not_there) {
    struct shim_file file;
    struct error error = {.text = ""};
    cr_assert_eq(shim_file_open(false, &file, &error), STATUS_ABSENT);
    cr_assert_not_null(strstr(error.text, SHIM_NAME_64));
    cr_assert_str_eq(file.path, "", "nothing to preload");
    shim_file_close(&file);
    cr_assert_eq(shim_file_open(true, &file, &error), STATUS_ABSENT);
    cr_assert_eq(file.copies[0], -1);
    shim_file_close(&file);
}
