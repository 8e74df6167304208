#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/service/clock.h"
#include "daemon/service/thread_account.h"
#include "python_child.h"

/* Burns CPU time or sleeps, as it is told. */
static const char busy_program[] = "import sys, threading\n"
                                   "print('ready')\n"
                                   "for line in sys.stdin:\n"
                                   "    for i in range(int(line)): pass\n"
                                   "    print('done')\n";

struct scene {
    struct handover *handover;
    struct code_cache *codes;
    struct thread_table threads;
    struct thread_record record;
    struct emitter emitter;
    struct code code;
};

static void begin(struct scene *scene, const struct python_child *child) {
    memset(scene, 0, sizeof *scene);
    cr_assert_eq(handover_create(true, NULL, &scene->handover), STATUS_OK);
    cr_assert_eq(code_cache_create(&scene->codes), STATUS_OK);
    emitter_init(&scene->emitter, scene->handover, scene->codes, &scene->threads, child->pid);
    cr_assert(emitter_ready(&scene->emitter, 1));
    scene->record.tid = child->pid;
    scene->record.batch_thread = batch_thread(scene->emitter.batch, child->pid, 0, "main");
    cr_assert_eq(
        thread_account_create(&child->process, child->pid, UINT64_MAX, &scene->record.account),
        STATUS_OK);
    scene->record.last_ns = clock_now_ns();
}

static void end(struct scene *scene) {
    thread_account_destroy(scene->record.account);
    code_cache_destroy(scene->codes);
    handover_destroy(scene->handover);
}

static uint32_t node_of(struct scene *scene, uint32_t unit) {
    return batch_child(scene->emitter.batch, BATCH_EMPTY_STACK, &scene->code, unit);
}

static int64_t metric_of(const struct scene *scene, uint32_t node) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < scene->emitter.batch->sample_count; i++) {
        const struct batch_sample *sample = &scene->emitter.batch->samples[i];
        sum += sample->node == node ? sample->metric : 0;
    }
    return sum;
}

static void sample(struct scene *scene, uint32_t node) {
    cr_expect(thread_account_sample(&scene->record, &scene->emitter, node, clock_now_ns()));
}

static void sleep_ms(long ms) {
    const struct timespec time = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&time, NULL);
}

static uint64_t used_ns(const struct python_child *child) {
    uint64_t ns = 0;
    cr_assert_eq(process_cpu_time(&child->process, &ns), STATUS_OK);
    return ns;
}

Test(thread_account, what_a_thread_used_is_written_and_no_more) {
    struct python_child child;
    struct scene scene;
    python_child_start(busy_program, &child);
    uint64_t before_ns = used_ns(&child);
    begin(&scene, &child);
    uint32_t node = node_of(&scene, 1);
    for (unsigned i = 0; i < 5; i++) {
        python_child_tell(&child, "1000000\n");
        sample(&scene, node);
    }
    sleep_ms(20); /* it waits for a line: the kernel has accounted all of it */
    sample(&scene, node);
    uint64_t written_ns = thread_account_written(scene.record.account);
    uint64_t spent_ns = used_ns(&child) - before_ns;
    cr_expect_eq((uint64_t)metric_of(&scene, node) * 1000, written_ns);
    cr_expect_gt(written_ns, 1000000);
    cr_expect_leq(written_ns, spent_ns);
    cr_expect_geq(written_ns + 5000000, spent_ns, "%lu of %lu", written_ns, spent_ns);
    end(&scene);
    python_child_end(&child);
}

Test(thread_account, a_thread_that_sleeps_gets_nothing) {
    struct python_child child;
    struct scene scene;
    python_child_start(busy_program, &child);
    sleep_ms(50);
    begin(&scene, &child);
    for (unsigned i = 0; i < 100; i++) {
        sample(&scene, node_of(&scene, i + 1));
        sleep_ms(1);
    }
    cr_expect_eq(scene.emitter.batch->sample_count, 0);
    cr_expect_eq(thread_account_written(scene.record.account), 0);
    end(&scene);
    python_child_end(&child);
}

Test(thread_account, a_lump_goes_to_the_newest_samples) {
    struct python_child child;
    struct scene scene;
    python_child_start(busy_program, &child);
    sleep_ms(50);
    begin(&scene, &child);
    uint32_t asleep = node_of(&scene, 1);
    uint32_t busy = node_of(&scene, 2);
    for (unsigned i = 0; i < 10; i++) {
        sleep_ms(20);
        sample(&scene, asleep);
    }
    python_child_tell(&child, "3000000\n");
    sleep_ms(5);
    sample(&scene, busy); /* all of it since the last sample */
    int64_t busy_us = metric_of(&scene, busy);
    cr_expect_gt(busy_us, 10000);
    cr_expect_eq(metric_of(&scene, asleep), 0);
    cr_expect_eq((uint64_t)busy_us * 1000, thread_account_written(scene.record.account));
    end(&scene);
    python_child_end(&child);
}

Test(thread_account, what_waited_when_a_batch_ended_goes_to_the_next_samples) {
    struct python_child child;
    struct scene scene;
    python_child_start(busy_program, &child);
    sleep_ms(50);
    begin(&scene, &child);
    uint32_t before = node_of(&scene, 1);
    uint32_t after = node_of(&scene, 2);
    sample(&scene, before);
    thread_account_turn(scene.record.account);
    python_child_tell(&child, "1000000\n");
    sleep_ms(5);
    sample(&scene, after);
    cr_expect_eq(metric_of(&scene, before), 0);
    cr_expect_gt(metric_of(&scene, after), 1000);
    end(&scene);
    python_child_end(&child);
}

/* A thread whose clock we set ourselves: /proc/PID in a folder of our own. */
struct made_clock {
    char folder[64];
    struct process process;
    int fd;
};

enum { MADE_TID = 77 };

static void made_clock_set(const struct made_clock *made, uint64_t ns) {
    char line[64];
    int length = snprintf(line, sizeof line, "%020lu 0 1\n", (unsigned long)ns);
    cr_assert_eq(pwrite(made->fd, line, (size_t)length, 0), length);
}

static void made_clock_begin(struct made_clock *made, struct scene *scene) {
    (void)strcpy(made->folder, "/tmp/echion-clock-XXXXXX");
    cr_assert_not_null(mkdtemp(made->folder));
    made->process.dir = open(made->folder, O_PATH | O_DIRECTORY);
    cr_assert_eq(mkdirat(made->process.dir, "task", 0700), 0);
    cr_assert_eq(mkdirat(made->process.dir, "task/77", 0700), 0);
    made->fd = openat(made->process.dir, "task/77/schedstat", O_RDWR | O_CREAT, 0600);
    cr_assert_geq(made->fd, 0);
    made_clock_set(made, 5000);
    memset(scene, 0, sizeof *scene);
    cr_assert_eq(handover_create(true, NULL, &scene->handover), STATUS_OK);
    cr_assert_eq(code_cache_create(&scene->codes), STATUS_OK);
    emitter_init(&scene->emitter, scene->handover, scene->codes, &scene->threads, 1);
    cr_assert(emitter_ready(&scene->emitter, 1));
    scene->record.batch_thread = batch_thread(scene->emitter.batch, 1, 0, "main");
    cr_assert_eq(
        thread_account_create(&made->process, MADE_TID, UINT64_MAX, &scene->record.account),
        STATUS_OK);
}

static void made_clock_end(struct made_clock *made, struct scene *scene) {
    end(scene);
    (void)close(made->fd);
    (void)unlinkat(made->process.dir, "task/77/schedstat", 0);
    (void)unlinkat(made->process.dir, "task/77", AT_REMOVEDIR);
    (void)unlinkat(made->process.dir, "task", AT_REMOVEDIR);
    (void)close(made->process.dir);
    (void)rmdir(made->folder);
}

/* Samples `from` to `to` of a row, 3 us apart, of which every third has the first stack. */
static void sample_in_turn(struct scene *scene, const uint32_t nodes[2], unsigned from,
                           unsigned to) {
    for (unsigned i = from; i < to; i++) {
        uint64_t now_ns = scene->record.last_ns + 3000;
        cr_assert(thread_account_sample(&scene->record, &scene->emitter, nodes[i % 3 == 0 ? 0 : 1],
                                        now_ns));
    }
}

Test(thread_account, a_lump_reaches_all_the_samples_that_it_covers) {
    for (unsigned count = 30; count <= 3000; count *= 10) {
        struct made_clock made;
        struct scene scene;
        made_clock_begin(&made, &scene);
        const uint32_t nodes[2] = {node_of(&scene, 1), node_of(&scene, 2)};
        sample_in_turn(&scene, nodes, 0, count - 1);
        cr_expect_eq(scene.emitter.batch->sample_count, 0, "nothing is accounted yet");
        made_clock_set(&made, 5000 + (uint64_t)count * 3000);
        sample_in_turn(&scene, nodes, count - 1, count);
        cr_expect_eq(metric_of(&scene, nodes[0]), count);
        cr_expect_eq(metric_of(&scene, nodes[1]), count * 2);
        cr_expect_eq(thread_account_written(scene.record.account), (uint64_t)count * 3000);
        made_clock_end(&made, &scene);
    }
}

Test(thread_account, a_lump_ends_where_the_thread_woke_up) {
    struct made_clock made;
    struct scene scene;
    made_clock_begin(&made, &scene);
    const uint32_t nodes[2] = {node_of(&scene, 1), node_of(&scene, 2)};
    const uint32_t asleep[2] = {node_of(&scene, 3), node_of(&scene, 3)};
    sample_in_turn(&scene, asleep, 0, 2000);
    sample_in_turn(&scene, nodes, 0, 299);
    made_clock_set(&made, 5000 + 300 * 3000);
    sample_in_turn(&scene, nodes, 299, 300);
    cr_expect_eq(metric_of(&scene, asleep[0]), 0);
    cr_expect_eq(metric_of(&scene, nodes[0]), 100 * 3);
    cr_expect_eq(metric_of(&scene, nodes[1]), 200 * 3);
    made_clock_end(&made, &scene);
}

Test(thread_account, of_a_lump_that_covers_more_the_rest_is_shared) {
    struct made_clock made;
    struct scene scene;
    made_clock_begin(&made, &scene);
    const uint32_t nodes[2] = {node_of(&scene, 1), node_of(&scene, 2)};
    const unsigned count = 30000;
    sample_in_turn(&scene, nodes, 0, count - 1);
    made_clock_set(&made, 5000 + (uint64_t)count * 3000);
    sample_in_turn(&scene, nodes, count - 1, count);
    int64_t first_us = metric_of(&scene, nodes[0]);
    cr_expect_eq(first_us + metric_of(&scene, nodes[1]), (int64_t)count * 3, "nothing is lost");
    cr_expect_gt(first_us, count * 99 / 100);
    cr_expect_lt(first_us, count * 101 / 100);
    made_clock_end(&made, &scene);
}

Test(thread_account, of_a_thread_that_is_not_there) {
    struct python_child child;
    struct thread_account *account = NULL;
    python_child_start(busy_program, &child);
    cr_expect_eq(thread_account_create(&child.process, 1, UINT64_MAX, &account), STATUS_GONE);
    cr_expect_null(account);
    thread_account_destroy(NULL);
    python_child_end(&child);
}
