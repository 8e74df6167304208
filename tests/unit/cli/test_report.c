#include "cli/report.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_report_XXXXXX";
static char path[64];

static void make_folder(void) {
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/prof.austin", folder);
    cr_redirect_stdout();
    cr_redirect_stderr();
}

static void remove_folder(void) {
    (void)unlink(path);
    (void)rmdir(folder);
}

TestSuite(report, .init = make_folder, .fini = remove_folder);

static void write_profile(const char *text) {
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int run(const char *first, const char *second, const char *third) {
    char *arguments[] = {(char[]){"report"}, NULL, NULL, NULL, NULL};
    const char *given[] = {first, second, third};
    int count = 1;
    for (int i = 0; i < 3 && given[i] != NULL; i++) {
        arguments[count++] = strdup(given[i]);
    }
    int exit_status = report_main(count, arguments);
    (void)fflush(stdout);
    (void)fflush(stderr);
    for (int i = 1; i < count; i++) {
        free(arguments[i]);
    }
    return exit_status;
}

static void expect_complaint(int exit_status, int expected, const char *what) {
    cr_assert_eq(exit_status, expected, "%d", exit_status);
    char text[1024] = "";
    FILE *out = cr_get_redirected_stderr();
    size_t size = fread(text, 1, sizeof text - 1, out);
    text[size] = '\0';
    cr_assert_not_null(strstr(text, what), "%s", text);
    cr_assert_eq(strncmp(text, "echion report: ", 15), 0, "%s", text);
}

Test(report, a_page) {
    write_profile("# austin: 3.7.0\n# mode: wall\n# python: 3.12.1\n# interval: 1000\n"
                  "P1;T0:Main;a.py:main:1;b.py:work:2;b.py:work:3 2500000\n"
                  "P1;T0:Main;a.py:main:1 1500000\n"
                  "P1;T0:w\xC3\xA9;/x/\xE5\x90\x8D.py:wait:7 6000000\n"
                  "# duration: 10000000\n# samples: 10000\n# missed: 3\n# torn: 0\n");
    cr_assert_eq(run(path, NULL, NULL), 0);
    char expected[2048];
    (void)snprintf(expected, sizeof expected,
                   "profile   %s\n"
                   "mode      wall clock: the time that passed, waiting included\n"
                   "python    3.12.1\n"
                   "duration  10.000 s\n"
                   "samples   10000, summed in 3 lines; one every 1000 us; 3 missed\n"
                   "threads   2\n"
                   "together  10.000 s, all threads added up\n"
                   "\n"
                   "   self           total         file:function\n"
                   "6.000 s  60.0%%  6.000 s  60.0%%  /x/\xE5\x90\x8D.py:wait\n"
                   "2.500 s  25.0%%  2.500 s  25.0%%  b.py:work\n"
                   "1.500 s  15.0%%  4.000 s  40.0%%  a.py:main\n",
                   path);
    cr_assert_stdout_eq_str(expected);
}

Test(report, fewer_functions_on_demand) {
    write_profile("P1;T0:t;a:f:1 10\nP1;T0:t;a:g:1 900\nP1;T0:t;a:h:1 5\n");
    cr_assert_eq(run(path, "-n1", NULL), 0);
    char expected[2048];
    (void)snprintf(expected, sizeof expected,
                   "profile   %s\n"
                   "mode      not told by the file\n"
                   "duration  not told by the file: its writer did not finish\n"
                   "lines     3\n"
                   "threads   1\n"
                   "together  0.915 ms\n"
                   "\n"
                   "    self            total         file:function\n"
                   "0.900 ms  98.4%%  0.900 ms  98.4%%  a:g\n"
                   "\n2 more functions are not shown; -n 3 shows all.\n",
                   path);
    cr_assert_stdout_eq_str(expected);
}

Test(report, an_empty_profile_says_so) {
    write_profile("# mode: cpu\n");
    cr_assert_eq(run("-n", "5", path), 0);
    char text[1024] = "";
    FILE *out = cr_get_redirected_stdout();
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    cr_assert_not_null(strstr(text, "mode      CPU time\n"), "%s", text);
    cr_assert_not_null(strstr(text, "This profile is empty: it has no samples."), "%s", text);
}

Test(report, standard_input_and_what_is_left_out) {
    write_profile("P1;T0:t;a:f\x1b[31m:1 10\nnoise\nP1;T0:t;a:f:1;:INVALID: 10\nP1;T0:t;a:f:1 1");
    int fd = open(path, O_RDONLY);
    cr_assert_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    cr_assert_eq(run("-", NULL, NULL), 0);
    char text[1024] = "";
    FILE *out = cr_get_redirected_stdout();
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    cr_assert_not_null(strstr(text, "the last record was cut off"), "%s", text);
    cr_assert_not_null(strstr(text, "1 lines are no samples"), "%s", text);
    cr_assert_not_null(strstr(text, "a:f?[31m"), "%s", text);
    cr_assert_not_null(strstr(text, ":INVALID: (the stack could not be read further)"), "%s", text);
}

Test(report, time_that_no_stack_accounts_for) {
    write_profile("# mode: cpu\n# interval: 0\nP1;T0:t;a:f:1 2000000\n# cpu_native: 1500000\n"
                  "# cpu_unseen: 0\n# late: 4\n# torn: 2\n# missed: x\n");
    cr_assert_eq(run(path, NULL, NULL), 0);
    char text[1024] = "";
    FILE *out = cr_get_redirected_stdout();
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    cr_assert_not_null(strstr(text, "\nlines     1; 4 late; 2 torn\n"), "%s", text);
    cr_assert_not_null(strstr(text, "\nbesides   1.500 s CPU time of threads that run no Python\n"),
                       "%s", text);
    cr_assert_null(strstr(text, "never seen"), "%s", text);
}

Test(report, help) {
    cr_assert_eq(run("--help", NULL, NULL), 0);
    char text[1024] = "";
    FILE *out = cr_get_redirected_stdout();
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    cr_assert_not_null(strstr(text, "Usage: echion report [-n COUNT] FILE"), "%s", text);
}

Test(report, usage_no_file) {
    expect_complaint(run(NULL, NULL, NULL), 64, "which FILE?");
}
Test(report, usage_two_files) {
    expect_complaint(run("a", "b", NULL), 64, "there is also b");
}
Test(report, usage_unknown_option) {
    expect_complaint(run("-z", "b", NULL), 64, "unknown option: -z");
}
Test(report, usage_value_missing) {
    expect_complaint(run("a", "-n", NULL), 64, "lacks its value: -n");
}
Test(report, usage_zero) {
    expect_complaint(run("-n", "0", "a"), 64, "a number from 1 on, not 0");
}
Test(report, usage_not_a_number) {
    expect_complaint(run("-n", "3x", "a"), 64, "a number from 1 on, not 3x");
}
Test(report, usage_too_large) {
    expect_complaint(run("-n", "99999999999999999999", "a"), 64, "a number from 1 on");
}
Test(report, no_such_file) {
    expect_complaint(run("/nonexistent/prof.austin", NULL, NULL), 66, "No such file");
}
Test(report, a_folder) {
    expect_complaint(run(folder, NULL, NULL), 65, "it is a folder");
}
Test(report, not_a_profile) {
    write_profile("#!/bin/sh\necho \x1b[31m\n");
    expect_complaint(run(path, NULL, NULL), 65, "not a profile: it is no .mojo file, and line 1");
}
Test(report, nothing_in_it) {
    write_profile("");
    expect_complaint(run(path, NULL, NULL), 65, "not a profile: it is empty");
}
Test(report, a_broken_mojo_file) {
    write_profile("MOJ\x03\x63");
    expect_complaint(run(path, NULL, NULL), 65, "a damaged .mojo file");
}
Test(report, endless_zeros) {
    expect_complaint(run("/dev/zero", NULL, NULL), 65, "not a profile");
}
