#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

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
    cr_assert_eq(handover_create(true, &scene->handover), STATUS_OK);
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

Test(thread_account, of_a_thread_that_is_not_there) {
    struct python_child child;
    struct thread_account *account = NULL;
    python_child_start(busy_program, &child);
    cr_expect_eq(thread_account_create(&child.process, 1, UINT64_MAX, &account), STATUS_GONE);
    cr_expect_null(account);
    thread_account_destroy(NULL);
    python_child_end(&child);
}
