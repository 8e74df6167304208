#include "daemon/target/proc_file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

Test(proc_file, fields) {
    const char *text = "Name:\tUid: 7\nUid:\t1\t2\t3\t4\nLast:\t";
    const char *field = proc_file_field(text, "Uid");
    cr_assert_eq(strncmp(field, "1\t2", 3), 0);
    cr_assert_eq(strncmp(proc_file_field(text, "Name"), "Uid: 7", 6), 0);
    cr_assert_str_empty(proc_file_field(text, "Last"));
    cr_assert_null(proc_file_field(text, "Ui"));
    cr_assert_null(proc_file_field(text, "None"));
    cr_assert_null(proc_file_field("", "Uid"));
}

Test(proc_file, numbers) {
    const char *text = " 12\tff 18446744073709551615 18446744073709551616";
    uint64_t value = 7;
    cr_assert(proc_file_number(&text, 10, &value));
    cr_assert_eq(value, 12);
    const char *before = text;
    cr_assert_not(proc_file_number(&text, 10, &value));
    cr_assert(value == 12 && text == before);
    cr_assert(proc_file_number(&text, 16, &value));
    cr_assert_eq(value, 255);
    cr_assert(proc_file_number(&text, 10, &value));
    cr_assert_eq(value, UINT64_MAX);
    before = text;
    cr_assert_not(proc_file_number(&text, 10, &value));
    cr_assert(value == UINT64_MAX && text == before);
    text = "";
    cr_assert_not(proc_file_number(&text, 10, &value));
}

Test(proc_file, reading) {
    int dir = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char text[8];
    size_t size = 0;
    cr_assert_eq(proc_file_read(dir, "status", text, sizeof text, &size), STATUS_OK);
    cr_assert_eq(size, 7); /* cut */
    cr_assert_eq(strlen(text), 7);
    cr_assert_eq(proc_file_read(dir, "no such file", text, sizeof text, NULL), STATUS_ABSENT);
    cr_assert_neq(proc_file_read(dir, "exe", text, sizeof text, NULL), STATUS_OK); /* a link */
    (void)close(dir);
}
