#include "daemon/output/sink.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void ignore_signals(void) {
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
}

TestSuite(sink, .init = ignore_signals, .timeout = 60);

/* A regular file that only lives in memory, and a second descriptor to look at it. */
static int make_file(int *look) {
    int fd = memfd_create("profile", 0);
    cr_assert_geq(fd, 0);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    *look = open(path, O_RDONLY);
    cr_assert_geq(*look, 0);
    return fd;
}

static off_t size_of(int fd) {
    struct stat info;
    cr_assert_eq(fstat(fd, &info), 0);
    return info.st_size;
}

static char *contents(int fd) {
    size_t size = (size_t)size_of(fd);
    char *text = calloc(1, size + 1);
    cr_assert_not_null(text);
    cr_assert_eq(pread(fd, text, size, 0), (ssize_t)size);
    return text;
}

static void expect(int fd, const char *expected) {
    char *text = contents(fd);
    cr_assert_str_eq(text, expected);
    free(text);
}

static void limit_files_to(rlim_t bytes) {
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, RLIM_INFINITY}), 0);
}

Test(sink, only_whole_records_are_flushed) {
    int look;
    struct sink sink;
    struct error error;
    cr_assert_eq(sink_init(&sink, make_file(&look)), STATUS_OK);
    sink_append_string(&sink, "one\n");
    sink_end_record(&sink);
    sink_append_string(&sink, "tw");
    cr_assert_eq(sink_flush(&sink, &error), STATUS_OK);
    expect(look, "one\n");
    sink_append_string(&sink, "o\n");
    sink_end_record(&sink);
    cr_assert_eq(sink_flush(&sink, &error), STATUS_OK);
    expect(look, "one\ntwo\n");
    cr_assert_eq(sink_finish(&sink, &error), STATUS_OK);
    sink_deinit(&sink);
}

Test(sink, what_gathers_is_written_without_a_flush_and_in_order) {
    int look;
    struct sink sink;
    struct error error;
    cr_assert_eq(sink_init(&sink, make_file(&look)), STATUS_OK);
    for (int i = 0; i < 100000; i++) {
        char line[32];
        sink_append(&sink, line, (size_t)snprintf(line, sizeof line, "record %06d\n", i));
        sink_end_record(&sink);
        cr_assert_eq(size_of(look) % 14, 0);
    }
    cr_assert_geq(size_of(look), 100000 * 14 - SINK_FLUSH_AT - 14);
    cr_assert_eq(sink_finish(&sink, &error), STATUS_OK);
    char *text = contents(look);
    for (size_t i = 0; i < 100000; i++) {
        cr_assert_eq(strtoul(text + i * 14 + 7, NULL, 10), i);
    }
    free(text);
    sink_deinit(&sink);
}

Test(sink, a_record_may_be_larger_than_the_buffer) {
    int look;
    struct sink sink;
    struct error error;
    cr_assert_eq(sink_init(&sink, make_file(&look)), STATUS_OK);
    size_t size = 3 * (size_t)SINK_RECORD_MAX;
    sink_append_string(&sink, "first\n");
    sink_end_record(&sink);
    for (size_t i = 0; i < size; i++) {
        sink_append_byte(&sink, (char)('a' + i % 26));
    }
    sink_end_record(&sink);
    cr_assert_eq(sink_flush(&sink, &error), STATUS_OK);
    cr_assert_eq(size_of(look), 6 + (off_t)size);
    char *text = contents(look);
    cr_assert_eq(memcmp(text, "first\nabc", 9), 0);
    for (size_t i = 0; i < size; i++) {
        cr_assert_eq(text[6 + i], (char)('a' + i % 26));
    }
    free(text);
    sink_deinit(&sink);
}

Test(sink, one_piece_may_be_larger_than_the_buffer) {
    int look;
    struct sink sink;
    struct error error;
    cr_assert_eq(sink_init(&sink, make_file(&look)), STATUS_OK);
    size_t size = 2 * (size_t)SINK_RECORD_MAX + 17;
    char *piece = malloc(size);
    memset(piece, 'x', size);
    sink_append_string(&sink, "ab");
    sink_append(&sink, piece, size);
    sink_end_record(&sink);
    cr_assert_eq(sink_flush(&sink, &error), STATUS_OK);
    cr_assert_eq(size_of(look), 2 + (off_t)size);
    free(piece);
    sink_deinit(&sink);
}

/* A file that may not grow further is cut back to its last whole record, wherever the limit is. */
Test(sink, a_full_file_is_cut_back_to_its_last_whole_record) {
    for (rlim_t limit = 70000; limit < 70012; limit++) {
        int look;
        struct sink sink;
        struct error error = {.status = STATUS_OK};
        cr_assert_eq(sink_init(&sink, make_file(&look)), STATUS_OK);
        limit_files_to(limit);
        for (int i = 0; i < 20000 && sink.status == STATUS_OK; i++) {
            sink_append_string(&sink, "1234567890\n");
            sink_end_record(&sink);
        }
        cr_assert_eq(sink_flush(&sink, &error), STATUS_SYS);
        cr_assert_eq(error.status, STATUS_SYS);
        cr_assert_not_null(strstr(error.text, strerror(EFBIG)), "%s", error.text);
        cr_assert_not_null(strstr(error.text, "ulimit -f"), "%s", error.text);
        cr_assert_eq(size_of(look), (off_t)(limit / 11 * 11));

        limit_files_to(RLIM_INFINITY);
        sink_append_string(&sink, "more\n");
        sink_end_record(&sink);
        cr_assert_eq(sink_flush(&sink, &error), STATUS_SYS, "it stays failed");
        cr_assert_eq(sink_finish(&sink, &error), STATUS_SYS);
        cr_assert_eq(size_of(look), (off_t)(limit / 11 * 11));
        sink_deinit(&sink);
        close(look);
    }
}

Test(sink, a_huge_record_that_does_not_fit_is_taken_back_whole) {
    int look;
    struct sink sink;
    struct error error;
    cr_assert_eq(sink_init(&sink, make_file(&look)), STATUS_OK);
    sink_append_string(&sink, "first\n");
    sink_end_record(&sink);
    limit_files_to(2 * (rlim_t)SINK_RECORD_MAX);
    for (size_t i = 0; i < 4 * (size_t)SINK_RECORD_MAX; i++) {
        sink_append_byte(&sink, 'x');
    }
    sink_end_record(&sink);
    cr_assert_eq(sink_flush(&sink, &error), STATUS_SYS);
    expect(look, "first\n");
    sink_deinit(&sink);
}

Test(sink, what_others_wrote_to_the_file_before_stays) {
    int look;
    int fd = make_file(&look);
    cr_assert_eq(write(fd, "theirs\n", 7), 7);
    cr_assert_eq(fcntl(fd, F_SETFL, O_APPEND), 0);
    struct sink sink;
    struct error error;
    cr_assert_eq(sink_init(&sink, fd), STATUS_OK);
    limit_files_to(20);
    sink_append_string(&sink, "1234567890\n1234");
    sink.marks[sink.mark_count++] = 11;
    sink_append_string(&sink, "567890\n");
    sink_end_record(&sink);
    cr_assert_eq(sink_flush(&sink, &error), STATUS_SYS);
    expect(look, "theirs\n1234567890\n");
    sink_deinit(&sink);
}

Test(sink, a_full_device_is_an_error_with_its_reason) {
    struct sink sink;
    struct error error;
    cr_assert_eq(sink_init(&sink, open("/dev/full", O_WRONLY)), STATUS_OK);
    sink_append_string(&sink, "x\n");
    sink_end_record(&sink);
    cr_assert_eq(sink_flush(&sink, &error), STATUS_SYS);
    cr_assert_not_null(strstr(error.text, strerror(ENOSPC)), "%s", error.text);
    cr_assert_not_null(strstr(error.text, "free some space"), "%s", error.text);
    sink_deinit(&sink);
}

Test(sink, a_closed_pipe_means_that_the_reader_is_gone) {
    int ends[2];
    struct sink sink;
    struct error error;
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(sink_init(&sink, ends[1]), STATUS_OK);
    close(ends[0]);
    sink_append_string(&sink, "x\n");
    sink_end_record(&sink);
    cr_assert_eq(sink_flush(&sink, &error), STATUS_GONE);
    sink_append_string(&sink, "y\n");
    sink_end_record(&sink);
    cr_assert_eq(sink_finish(&sink, &error), STATUS_GONE);
    sink_deinit(&sink);
}

static void *read_slowly(void *argument) {
    int fd = *(int *)argument;
    static size_t total;
    char bytes[3001];
    ssize_t count;
    while ((count = read(fd, bytes, sizeof bytes)) > 0) {
        total += (size_t)count;
        usleep(100);
    }
    return &total;
}

Test(sink, a_pipe_that_does_not_block_is_waited_for) {
    int ends[2];
    struct sink sink;
    struct error error;
    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    cr_assert_eq(fcntl(ends[0], F_SETFL, 0), 0);
    pthread_t reader;
    cr_assert_eq(pthread_create(&reader, NULL, read_slowly, &ends[0]), 0);
    cr_assert_eq(sink_init(&sink, ends[1]), STATUS_OK);
    for (int i = 0; i < 100000; i++) {
        sink_append_string(&sink, "1234567890\n");
        sink_end_record(&sink);
    }
    cr_assert_eq(sink_finish(&sink, &error), STATUS_OK);
    void *total;
    pthread_join(reader, &total);
    cr_assert_eq(*(size_t *)total, 1100000);
    sink_deinit(&sink);
}

Test(sink, nothing_can_follow_the_finish) {
    int look;
    struct sink sink;
    struct error error;
    cr_assert_eq(sink_init(&sink, make_file(&look)), STATUS_OK);
    cr_assert_eq(sink_finish(&sink, &error), STATUS_OK);
    sink_append_string(&sink, "x\n");
    sink_end_record(&sink);
    cr_assert_neq(sink_flush(&sink, &error), STATUS_OK);
    cr_assert_eq(size_of(look), 0);
    sink_deinit(&sink);
    sink_deinit(&sink);
}
