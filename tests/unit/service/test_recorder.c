#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/service/recorder.h"

/* What a session would bring along. */
struct stage {
    struct options options;
    struct handover *handover;
    struct recorder_source *source;
    struct output_file *output;
    struct sampler_counts counts;
    uint64_t gap_from_ns;
    atomic_bool settled;
    int bell;
};

static void totals(void *owner, struct sampler_counts *out) {
    *out = ((struct stage *)owner)->counts;
}

static void add(struct stage *stage, struct recorder *recorder) {
    cr_assert_eq(handover_create(true, recorder_bell(recorder), &stage->handover), STATUS_OK);
    const struct recorder_feed feed = {.handover = stage->handover,
                                       .gap_from_ns = &stage->gap_from_ns,
                                       .totals = totals,
                                       .owner = stage};
    stage->source = recorder_add(recorder, &feed);
    cr_assert_not_null(stage->source);
}

static struct recorder *start_for(struct stage *stage, const char *path, bool several) {
    struct recorder *recorder = NULL;
    struct error error = {.text = ""};
    stage->options.interval_ns = 1000000;
    stage->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cr_assert_eq(output_file_open(path, NULL, 1, &stage->output, &error), STATUS_OK, "%s",
                 error.text);
    const struct recorder_plan plan = {.options = &stage->options,
                                       .output = &stage->output,
                                       .settled = &stage->settled,
                                       .several = several,
                                       .bell = stage->bell};
    cr_assert_eq(recorder_start(&plan, &recorder, &error), STATUS_OK, "%s", error.text);
    add(stage, recorder);
    return recorder;
}

static struct recorder *start(struct stage *stage, const char *path) {
    return start_for(stage, path, false);
}

static enum status finish(struct stage *stage, struct recorder *recorder, struct error *error) {
    handover_close(stage->handover);
    recorder_seal(recorder);
    enum status status = recorder_join(recorder, error);
    cr_assert(recorder_is_done(recorder));
    cr_assert(recorder_has_written(stage->source));
    uint64_t rings = 0;
    cr_assert_eq(read(stage->bell, &rings, sizeof rings), (ssize_t)sizeof rings);
    recorder_destroy(recorder);
    handover_destroy(stage->handover);
    output_file_destroy(stage->output);
    (void)close(stage->bell);
    return status;
}

static void give_sample(struct stage *stage) {
    struct batch *batch = handover_take_empty(stage->handover);
    uint32_t thread = batch_thread(batch, 4711, 0, "MainThread");
    uint32_t node = batch_child(batch, BATCH_EMPTY_STACK, NULL, 0);
    cr_assert(batch_sample(batch, thread, node, 1, 1000));
    handover_give_full(stage->handover, batch);
}

static char *contents(const char *path) {
    static char text[4096];
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    cr_assert_eq(fclose(file), 0);
    return text;
}

static void temporary(char path[64]) {
    (void)strcpy(path, "/tmp/echion-recorder-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, "before", 6), 6);
    cr_assert_eq(close(fd), 0);
}

Test(recorder, nothing_sampled_leaves_the_file_alone) {
    struct stage stage = {0};
    struct error error;
    char path[64];
    temporary(path);
    struct recorder *recorder = start(&stage, path);
    cr_assert_eq(finish(&stage, recorder, &error), STATUS_ABSENT);
    cr_assert_str_eq(contents(path), "before");
    cr_assert_eq(unlink(path), 0);
}

Test(recorder, header_samples_and_footer) {
    struct stage stage = {.counts = {.start_ns = 5000000,
                                     .end_ns = 9000000,
                                     .kept = 3,
                                     .torn = 2,
                                     .missed = 1,
                                     .late = 4,
                                     .errors = 6},
                          .gap_from_ns = 2000000};
    struct error error;
    char path[64];
    temporary(path);
    struct recorder *recorder = start(&stage, path);
    recorder_note(recorder, "python", "3.12.1");
    give_sample(&stage);
    cr_assert_eq(finish(&stage, recorder, &error), STATUS_OK);
    cr_assert_str_eq(contents(path), "# austin: 3.7.0\n"
                                     "# echion: " ECHION_VERSION "\n"
                                     "# interval: 1000\n"
                                     "# mode: wall\n"
                                     "# gap: 3000\n"
                                     "# python: 3.12.1\n"
                                     "P4711;T0:MainThread;:INVALID: 1000\n"
                                     "# duration: 4000\n"
                                     "# samples: 5\n"
                                     "# kept: 3\n"
                                     "# missed: 1\n"
                                     "# late: 4\n"
                                     "# torn: 2\n"
                                     "# errors: 6\n");
    cr_assert_eq(unlink(path), 0);
}

Test(recorder, several_share_a_file) {
    struct stage first = {.counts = {.start_ns = 5000000, .end_ns = 9000000, .kept = 3, .late = 1},
                          .gap_from_ns = 2000000};
    struct stage second = {.counts = {.start_ns = 7000000, .end_ns = 12000000, .kept = 2}};
    struct error error;
    char path[64];
    temporary(path);
    struct recorder *recorder = start_for(&first, path, true);
    add(&second, recorder);
    give_sample(&first);
    while (handover_written(first.handover) == 0) {
        (void)usleep(100);
    }
    recorder_note(recorder, "python", "3.12.1");
    give_sample(&second);
    handover_close(second.handover);
    while (!recorder_has_written(second.source)) {
        (void)usleep(100);
    }
    cr_expect_not(recorder_has_written(first.source) || recorder_is_done(recorder));
    handover_destroy(second.handover); /* its session may go; the file goes on */
    recorder_note(recorder, "python", "3.12.1");
    give_sample(&first);
    cr_expect_eq(finish(&first, recorder, &error), STATUS_OK);
    cr_expect_str_eq(contents(path), "# austin: 3.7.0\n"
                                     "# echion: " ECHION_VERSION "\n"
                                     "# interval: 1000\n"
                                     "# mode: wall\n"
                                     "# multiprocess: on\n"
                                     "# gap: 3000\n"
                                     "P4711;T0:MainThread;:INVALID: 1000\n"
                                     "# python: 3.12.1\n"
                                     "P4711;T0:MainThread;:INVALID: 1000\n"
                                     "P4711;T0:MainThread;:INVALID: 1000\n"
                                     "# duration: 7000\n"
                                     "# samples: 5\n"
                                     "# kept: 5\n"
                                     "# missed: 0\n"
                                     "# late: 1\n"
                                     "# torn: 0\n"
                                     "# errors: 0\n");
    cr_assert_eq(unlink(path), 0);
}

Test(recorder, without_a_source_it_ends_at_once) {
    struct options options = {.interval_ns = 1000000};
    struct output_file *output = NULL;
    struct error error;
    char path[64];
    temporary(path);
    cr_assert_eq(output_file_open(path, NULL, 1, &output, &error), STATUS_OK);
    const atomic_bool settled = false;
    const struct recorder_plan plan = {
        .options = &options, .output = &output, .settled = &settled, .bell = -1};
    struct recorder *recorder = NULL;
    cr_assert_eq(recorder_start(&plan, &recorder, &error), STATUS_OK);
    recorder_seal(recorder);
    cr_expect_eq(recorder_join(recorder, &error), STATUS_ABSENT);
    recorder_destroy(recorder);
    output_file_destroy(output);
    cr_assert_str_eq(contents(path), "before");
    cr_assert_eq(unlink(path), 0);
}

Test(recorder, ticks_without_samples_make_a_header_and_a_footer) {
    struct stage stage = {.counts = {.start_ns = 1, .end_ns = 2}, .options = {.cpu = true}};
    struct error error;
    char path[64];
    temporary(path);
    struct recorder *recorder = start(&stage, path);
    cr_assert_eq(finish(&stage, recorder, &error), STATUS_OK);
    const char *text = contents(path);
    cr_assert_eq(strncmp(text, "# austin: ", 10), 0);
    cr_assert_not_null(strstr(text, "# cpu_native: 0\n# cpu_unseen: 0\n"));
    cr_assert_eq(unlink(path), 0);
}

Test(recorder, a_failing_output_does_not_hold_the_sampler_up) {
    struct stage stage = {.counts = {.start_ns = 1, .end_ns = 2}};
    struct error error = {.text = ""};
    struct recorder *recorder = start(&stage, "/dev/full");
    for (unsigned i = 0; i < 10; i++) {
        while (handover_take_empty(stage.handover) == NULL) {
            (void)usleep(100);
        }
        give_sample(&stage);
    }
    while (handover_written(stage.handover) != handover_given(stage.handover)) {
        (void)usleep(100);
    }
    cr_assert(recorder_has_failed(recorder));
    cr_assert_eq(finish(&stage, recorder, &error), STATUS_SYS);
    cr_assert_not_null(strstr(error.text, "No space left"));
}

/* Opens the writing end of a pipe or socket as the output. */
static struct recorder *start_on(struct stage *stage, int fd) {
    char path[64];
    (void)snprintf(path, sizeof path, "/dev/fd/%d", fd);
    struct recorder *recorder = start(stage, path);
    (void)close(fd);
    return recorder;
}

Test(recorder, a_reader_that_goes_is_noticed_without_anything_to_write, .timeout = 60) {
    for (unsigned kind = 0; kind < 4; kind++) {
        struct stage stage = {.counts = {.start_ns = 1, .end_ns = 2}};
        struct error error = {.text = ""};
        int ends[2];
        cr_assert_eq(kind % 2 == 0 ? pipe(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        struct recorder *recorder = start_on(&stage, ends[1]);
        if (kind < 2) { /* it has read something */
            char byte;
            give_sample(&stage);
            cr_assert_eq(read(ends[0], &byte, 1), 1);
        }
        (void)close(ends[0]);
        atomic_store(&stage.settled, true);
        while (!recorder_has_failed(recorder)) {
            (void)usleep(1000);
        }
        cr_expect_eq(finish(&stage, recorder, &error), STATUS_GONE);
        cr_expect_str_eq(error.text, "nobody reads the profile any more");
    }
}

Test(recorder, a_reader_that_only_waits_is_still_there, .timeout = 60) {
    struct stage stage = {.counts = {.start_ns = 1, .end_ns = 2}, .settled = true};
    struct error error = {.text = ""};
    char text[4096];
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    struct recorder *recorder = start_on(&stage, ends[1]);
    (void)usleep(250 * 1000); /* some looks */
    cr_expect_not(recorder_has_failed(recorder));
    give_sample(&stage);
    cr_expect_eq(finish(&stage, recorder, &error), STATUS_OK);
    cr_expect_gt(read(ends[0], text, sizeof text), 0);
    (void)close(ends[0]);
}
