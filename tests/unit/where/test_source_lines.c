#include "daemon/where/source_lines.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder with a file, looked at as one of this very process. */
static char folder[] = "/tmp/echion-test-XXXXXX";
static char path[64];
static struct process process = {.pidfd = -1, .dir = -1};

static void setup(void) {
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/source.py", folder);
    struct error error;
    cr_assert_eq(process_open(getpid(), &process, &error), STATUS_OK, "%s", error.text);
}

static void teardown(void) {
    process_close(&process);
    (void)unlink(path);
    (void)rmdir(folder);
}

TestSuite(source_lines, .init = setup, .fini = teardown);

static void file_write(const char *text, size_t size) {
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, size), (ssize_t)size);
    (void)close(fd);
}

/* Checks one line of the file; NULL: it is not there. */
static void expect_line(const char *file, int32_t number, const char *expected) {
    struct source_lines *lines = NULL;
    cr_assert_eq(source_lines_create(&lines), STATUS_OK);
    cr_expect_null(source_lines_find(lines, file, number));
    source_lines_want(lines, file, number);
    source_lines_want(lines, file, number);
    cr_assert_eq(source_lines_read(lines, &process), STATUS_OK);
    const char *found = source_lines_find(lines, file, number);
    if (expected == NULL) {
        cr_expect_null(found, "%s:%d", file, number);
    } else {
        cr_assert_not_null(found, "%s:%d", file, number);
        cr_expect_str_eq(found, expected);
    }
    source_lines_destroy(lines);
}

Test(source_lines, lines_of_a_file) {
    static const char text[] = "first\n\n  third \t \r\n\tfour\tth\nlast";
    file_write(text, sizeof text - 1);
    expect_line(path, 1, "first");
    expect_line(path, 2, NULL);
    expect_line(path, 3, "third");
    expect_line(path, 4, "four th");
    expect_line(path, 5, "last");
    expect_line(path, 6, NULL);
    expect_line(path, 0, NULL);
    expect_line(path, -1, NULL);
}

Test(source_lines, several_at_once) {
    struct source_lines *lines = NULL;
    char number[16];
    file_write("1\n2\n3\n4\n5\n6\n7\n8\n", 16);
    cr_assert_eq(source_lines_create(&lines), STATUS_OK);
    for (int32_t i = 8; i > 0; i--) {
        source_lines_want(lines, path, i);
    }
    source_lines_want(lines, "/no/such/file.py", 3);
    cr_assert_eq(source_lines_read(lines, &process), STATUS_OK);
    for (int32_t i = 1; i <= 8; i++) {
        (void)snprintf(number, sizeof number, "%d", i);
        cr_assert_not_null(source_lines_find(lines, path, i));
        cr_expect_str_eq(source_lines_find(lines, path, i), number);
    }
    cr_expect_null(source_lines_find(lines, "/no/such/file.py", 3));
    source_lines_destroy(lines);
}

Test(source_lines, what_a_terminal_would_obey) {
    static const char text[] = "a\x1b[31mb\xe2\x80\xae\xff"
                               "c\0d\n";
    file_write(text, sizeof text - 1);
    expect_line(path, 1,
                "a?[31mb?\xef\xbf\xbd"
                "c?d");
}

Test(source_lines, a_long_line_is_cut_between_characters) {
    char text[600];
    char expected[SOURCE_LINE_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    for (size_t i = 1; i + 1 < sizeof text; i += 2) {
        text[i] = '\xc3';
        text[i + 1] = '\xb6';
    }
    file_write(text, sizeof text - 1);
    memcpy(expected, text, sizeof expected);
    expected[SOURCE_LINE_BYTES_MAX - 1] = '\0'; /* a character begins there */
    expect_line(path, 1, expected);
}

Test(source_lines, what_lies_behind_the_limit_is_not_found) {
    size_t size = SOURCE_FILE_BYTES_MAX + 16;
    char *text = malloc(size);
    cr_assert_not_null(text);
    memset(text, '\n', size);
    text[size - 2] = 'x';
    text[SOURCE_FILE_BYTES_MAX - 1] = 'y';
    file_write(text, size);
    free(text);
    expect_line(path, SOURCE_FILE_BYTES_MAX, "y");
    expect_line(path, SOURCE_FILE_BYTES_MAX + 15, NULL);
}

Test(source_lines, what_is_no_file) {
    char link[96];
    expect_line("", 1, NULL);
    expect_line("<string>", 1, NULL);
    expect_line(folder, 1, NULL);
    expect_line("/dev/zero", 1, NULL);
    cr_assert_eq(mkfifo(path, 0600), 0);
    expect_line(path, 1, NULL);
    (void)unlink(path);
    file_write("text\n", 5);
    (void)snprintf(link, sizeof link, "/proc/self/root%s", path);
    expect_line(link, 1, NULL);
}
