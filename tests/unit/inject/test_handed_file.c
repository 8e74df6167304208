#include "daemon/inject/handed_file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files are made for ourselves, in /tmp. */
static struct process own(void) {
    struct error error = {.text = ""};
    struct process process = PROCESS_NONE;
    cr_assert_eq(process_open(getpid(), &process, &error), STATUS_OK, "%s", error.text);
    return process;
}

static bool is_there(const char *path) {
    return access(path, F_OK) == 0;
}

/* A file as a daemon that was killed leaves it, for a process with that id. */
static void leave(char path[static 64], pid_t pid) {
    (void)snprintf(path, 64, "/tmp" HANDED_FILE_MARK "%d-%08x", (int)pid, (unsigned)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR);
    cr_assert_geq(fd, 0);
    (void)close(fd);
}

Test(handed_file, has_the_bytes_for_its_owner_only) {
    struct process process = own();
    struct handed_file file = HANDED_FILE_NONE;
    struct error error = {.text = ""};
    char bytes[8] = "";
    struct stat stat;
    cr_assert_eq(handed_file_make(&process, "a\0b", 3, &file, &error), STATUS_OK, "%s", error.text);
    int fd = open(file.path, O_RDONLY | O_CLOEXEC);
    cr_expect_eq(read(fd, bytes, sizeof bytes), 3);
    cr_expect_eq(memcmp(bytes, "a\0b", 3), 0);
    cr_assert_eq(fstat(fd, &stat), 0);
    cr_expect_eq(stat.st_mode & 07777, 0400);
    cr_expect_eq(stat.st_uid, geteuid());
    (void)close(fd);
    char path[HANDED_FILE_PATH_MAX];
    memcpy(path, file.path, sizeof path);
    handed_file_remove(&file);
    cr_expect_not(is_there(path));
    handed_file_remove(&file);
    process_close(&process);
}

Test(handed_file, takes_the_bytes_of_a_library) {
    static char bytes[300000];
    struct process process = own();
    struct handed_file file = HANDED_FILE_NONE;
    struct error error = {.text = ""};
    struct stat info;
    cr_assert_eq(handed_file_make(&process, bytes, sizeof bytes, &file, &error), STATUS_OK);
    cr_assert_eq(stat(file.path, &info), 0);
    cr_expect_eq(info.st_size, sizeof bytes);
    handed_file_remove(&file);
    process_close(&process);
}

Test(handed_file, what_was_left_is_swept_and_nothing_else) {
    struct process process = own();
    struct handed_file kept = HANDED_FILE_NONE;
    struct error error = {.text = ""};
    char left[64];
    char anothers[64];
    char linked[64];
    leave(left, getpid());
    leave(anothers, getpid() + 1);
    (void)snprintf(linked, sizeof linked, "/tmp" HANDED_FILE_MARK "%d-link", (int)getpid());
    cr_assert_eq(symlink(anothers, linked), 0);
    cr_assert_eq(handed_file_make(&process, "x", 1, &kept, &error), STATUS_OK);
    handed_file_sweep(&process);
    cr_expect_not(is_there(left));
    cr_expect(is_there(kept.path), "it is locked");
    cr_expect(is_there(anothers), "it is another process's");
    cr_expect(is_there(linked), "it is no file");
    handed_file_remove(&kept);
    (void)unlink(anothers);
    (void)unlink(linked);
    process_close(&process);
}
