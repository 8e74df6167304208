#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/service/output_file.h"

static char folder[64];

static void enter(void) {
    (void)strcpy(folder, "/tmp/echion-output-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(unsetenv("SUDO_UID"), 0);
    (void)umask(022);
}

static void leave(void) {
    char command[128];
    cr_assert_eq(chdir("/"), 0);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(output_file, .init = enter, .fini = leave);

static void put(const char *name, const char *text) {
    FILE *file = fopen(name, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

static void expect_text(const char *name, const char *expected) {
    char text[256] = "";
    FILE *file = fopen(name, "r");
    cr_assert_not_null(file, "%s", name);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    cr_assert_eq(fclose(file), 0);
    cr_assert_str_eq(text, expected);
}

static struct output_file *open_good(const char *pattern) {
    struct output_file *file = NULL;
    struct error error = {.text = ""};
    cr_assert_eq(output_file_open(pattern, NULL, 12, &file, &error), STATUS_OK, "%s", error.text);
    return file;
}

static void write_and_close(struct output_file *file, const char *text) {
    int fd = -1;
    cr_assert_eq(output_file_take(file, &fd, NULL), STATUS_OK);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(close(fd), 0);
    output_file_destroy(file);
}

static void expect_refused(const char *pattern, const char *why) {
    struct output_file *file = NULL;
    struct error error = {.text = ""};
    cr_assert_neq(output_file_open(pattern, NULL, 12, &file, &error), STATUS_OK, "%s", pattern);
    cr_assert_null(file);
    cr_assert_not_null(strstr(error.text, why), "\"%s\" does not say \"%s\"", error.text, why);
}

Test(output_file, a_new_file_is_there_at_once_and_goes_if_nothing_is_written) {
    struct output_file *file = open_good("%(pid).austin");
    cr_assert_str_eq(output_file_name(file), "12.austin");
    cr_assert_eq(access("12.austin", F_OK), 0);
    output_file_destroy(file);
    cr_assert_eq(access("12.austin", F_OK), -1);

    write_and_close(open_good("%(pid).austin"), "hello");
    expect_text("12.austin", "hello");
}

Test(output_file, an_existing_file_is_emptied_only_when_taken) {
    put("x.mojo", "what was there before");
    struct output_file *file = open_good("x.mojo");
    cr_assert_eq(output_file_format(file), OUTPUT_FORMAT_MOJO);
    expect_text("x.mojo", "what was there before");
    output_file_destroy(file);
    expect_text("x.mojo", "what was there before");
    write_and_close(open_good("x.mojo"), "new");
    expect_text("x.mojo", "new");
}

Test(output_file, a_file_put_in_place_of_ours_is_not_removed) {
    struct output_file *file = open_good("x.austin");
    cr_assert_eq(unlink("x.austin"), 0);
    put("x.austin", "");
    output_file_destroy(file);
    cr_assert_eq(access("x.austin", F_OK), 0);
}

Test(output_file, links_and_permissions_of_the_file_stay) {
    struct stat info;
    put("x", "old");
    cr_assert_eq(chmod("x", 0640), 0);
    cr_assert_eq(link("x", "y"), 0);
    cr_assert_eq(symlink("x", "z"), 0);
    write_and_close(open_good("z"), "new");
    expect_text("y", "new");
    cr_assert_eq(stat("x", &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0640);
    cr_assert_eq(info.st_nlink, 2);
}

Test(output_file, what_cannot_be_written_to) {
    cr_assert_eq(mkdir("d", 0755), 0);
    expect_refused("d", "folder");
    expect_refused("d/", "folder");
    expect_refused(".", "folder");
    expect_refused("none/x", "no folder 'none'");
    put("file", "");
    expect_refused("file/x", "no folder 'file'");
    cr_assert_eq(symlink("nowhere", "dangling"), 0);
    expect_refused("dangling", "does not exist");
    cr_assert_eq(access("nowhere", F_OK), -1);

    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    expect_refused("socket", "socket");
    cr_assert_eq(close(fd), 0);

    char name[600];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    expect_refused(name, "too long");
}

Test(output_file, an_unknown_suffix_is_told_apart) {
    struct output_file *file = NULL;
    struct error error;
    cr_assert_eq(output_file_open("x.svg", NULL, 1, &file, &error), STATUS_UNSUPPORTED);
    cr_assert_not_null(strstr(error.text, "--format"));
    cr_assert_eq(access("x.svg", F_OK), -1);
    enum output_format mojo = OUTPUT_FORMAT_MOJO;
    cr_assert_eq(output_file_open("x.svg", &mojo, 1, &file, &error), STATUS_OK);
    cr_assert_eq(output_file_format(file), OUTPUT_FORMAT_MOJO);
    output_file_destroy(file);
}

Test(output_file, one_profile_at_a_time) {
    struct output_file *file = open_good("x.austin");
    expect_refused("x.austin", "another profile");
    output_file_destroy(file);
    output_file_destroy(open_good("x.austin"));
}

Test(output_file, devices_and_pipes_are_text_whatever_their_name) {
    struct output_file *file = open_good("/dev/null");
    cr_assert_eq(output_file_format(file), OUTPUT_FORMAT_AUSTIN);
    output_file_destroy(file);
    cr_assert_eq(access("/dev/null", F_OK), 0);

    cr_assert_eq(mkfifo("pipe.mojo", 0600), 0);
    int reader = open("pipe.mojo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    cr_assert_geq(reader, 0);
    file = open_good("pipe.mojo");
    cr_assert_eq(output_file_format(file), OUTPUT_FORMAT_AUSTIN);
    int fd = -1;
    cr_assert_eq(output_file_take(file, &fd, NULL), STATUS_OK);
    cr_assert_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    cr_assert_eq(close(fd), 0);
    output_file_destroy(file);
    cr_assert_eq(access("pipe.mojo", F_OK), 0);
    cr_assert_eq(close(reader), 0);
}

Test(output_file, standard_output_is_neither_opened_again_nor_emptied) {
    put("log", "before ");
    int log = open("log", O_WRONLY | O_APPEND | O_CLOEXEC);
    int kept = dup(STDOUT_FILENO);
    cr_assert_eq(dup2(log, STDOUT_FILENO), STDOUT_FILENO);
    struct output_file *file = open_good("/dev/stdout");
    cr_assert(output_file_is_stdout(file));
    write_and_close(file, "after");
    file = open_good("-");
    cr_assert_str_eq(output_file_name(file), "standard output");
    write_and_close(file, "!");
    cr_assert_eq(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
    expect_text("log", "before after!");
}

Test(output_file, a_descriptor_that_cannot_be_written_to) {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char name[32];
    (void)snprintf(name, sizeof name, "/dev/fd/%d", fd);
    expect_refused(name, "reading only");
    cr_assert_eq(close(fd), 0);
    expect_refused(name, "closed");
}

/* What follows is about another user's things, which only root can make. */
static bool is_root(void) {
    if (geteuid() != 0) {
        cr_log_warn("SKIPPED: needs root");
        return false;
    }
    return true;
}

Test(output_file, nothing_of_others_in_a_folder_for_all) {
    if (!is_root()) {
        return;
    }
    put("victim", "precious");
    cr_assert_eq(mkdir("all", 0755), 0);
    cr_assert_eq(chmod("all", 01777), 0);
    cr_assert_eq(symlink("../victim", "all/link"), 0);
    cr_assert_eq(lchown("all/link", 12345, 12345), 0);
    put("all/file", "theirs");
    cr_assert_eq(chown("all/file", 12345, 12345), 0);
    cr_assert_eq(mkfifo("all/fifo", 0666), 0);
    cr_assert_eq(chown("all/fifo", 12345, 12345), 0);
    expect_refused("all/link", "another user's symbolic link");
    expect_refused("all/file", "belongs to another user");
    expect_refused("all/fifo", "belongs to another user");
    expect_text("victim", "precious");
    expect_text("all/file", "theirs");
}

Test(output_file, under_sudo_the_file_is_the_callers) {
    if (!is_root()) {
        return;
    }
    struct stat info;
    cr_assert_eq(setenv("SUDO_UID", "12345", 1), 0);
    cr_assert_eq(setenv("SUDO_GID", "12346", 1), 0);

    /* In a folder of the caller's own, made with the caller's rights. */
    cr_assert_eq(chmod(".", 0755), 0);
    cr_assert_eq(mkdir("home", 0700), 0);
    cr_assert_eq(chown("home", 12345, 12346), 0);
    write_and_close(open_good("home/x"), "x");
    cr_assert_eq(stat("home/x", &info), 0);
    cr_assert(info.st_uid == 12345 && info.st_gid == 12346);

    /* Where only root may write: made by root, and given away. */
    cr_assert_eq(mkdir("root", 0755), 0);
    write_and_close(open_good("root/x"), "x");
    cr_assert_eq(stat("root/x", &info), 0);
    cr_assert(info.st_uid == 12345 && info.st_gid == 12346);

    /* A third user's file that root may write to stays that user's. */
    put("root/y", "");
    cr_assert_eq(chown("root/y", 54321, 54321), 0);
    write_and_close(open_good("root/y"), "y");
    cr_assert_eq(stat("root/y", &info), 0);
    cr_assert(info.st_uid == 54321);

    /* A hard link may be to anything. */
    put("root/z", "");
    cr_assert_eq(link("root/z", "root/other"), 0);
    write_and_close(open_good("root/z"), "z");
    cr_assert_eq(stat("root/z", &info), 0);
    cr_assert(info.st_uid == 0);
}
