#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/service/sampler.h"
#include "python_child.h"

/* One thread, at rest. */
static const char program[] = "import sys\nprint('ready')\nsys.stdin.read()\n";

struct scene {
    struct python_child child;
    struct handover *handover;
    struct sampler *sampler;
    pthread_t threads[2];
    enum status status;
};

static void *sampling_thread(void *context) {
    struct scene *scene = context;
    struct error error;
    scene->status = sampler_run(scene->sampler, &error);
    return NULL;
}

/* Gives every batch back as soon as it comes. */
static void *writing_thread(void *context) {
    struct handover *handover = context;
    struct batch *batch;
    while ((batch = handover_wait_full(handover, HANDOVER_FOREVER)) != NULL) {
        handover_give_back(handover, batch);
    }
    return NULL;
}

static struct sampler_counts counts_of(const struct scene *scene) {
    struct sampler_counts counts;
    sampler_counts(scene->sampler, &counts);
    return counts;
}

/* Begins to sample, and waits for some ticks. */
static void begin(struct scene *scene, const struct sampler_options *options) {
    struct error error;
    python_child_start(program, &scene->child);
    cr_assert_eq(handover_create(true, NULL, &scene->handover), STATUS_OK);
    cr_assert_eq(sampler_create(&scene->child.process, &scene->child.runtime, options,
                                scene->handover, &scene->sampler, &error),
                 STATUS_OK, "%s", error.text);
    cr_assert_eq(pthread_create(&scene->threads[0], NULL, writing_thread, scene->handover), 0);
    cr_assert_eq(pthread_create(&scene->threads[1], NULL, sampling_thread, scene), 0);
    const struct timespec pause = {.tv_nsec = 1000 * 1000};
    while (counts_of(scene).kept < 20) {
        (void)nanosleep(&pause, NULL);
    }
}

static struct sampler_counts end(struct scene *scene) {
    (void)pthread_join(scene->threads[1], NULL);
    handover_close(scene->handover);
    (void)pthread_join(scene->threads[0], NULL);
    struct sampler_counts counts = counts_of(scene);
    sampler_destroy(scene->sampler);
    handover_destroy(scene->handover);
    python_child_end(&scene->child);
    return counts;
}

Test(sampler, what_is_due_is_accounted_for, .timeout = 60) {
    for (int cpu = 0; cpu < 2; cpu++) {
        struct scene scene;
        begin(&scene, &(struct sampler_options){.interval_ns = 200 * 1000, .cpu = cpu == 1});
        sampler_stop(scene.sampler);
        struct sampler_counts counts = end(&scene);
        cr_expect_eq(scene.status, STATUS_OK);
        cr_expect(sampler_counts_add_up(&counts));
        cr_expect_eq(counts.threads, 1);
        cr_expect_eq(counts.due, counts.ticks, "of the one thread");
    }
}

Test(sampler, also_what_was_due_when_the_process_had_gone, .timeout = 60) {
    struct scene scene;
    begin(&scene, &(struct sampler_options){.interval_ns = 200 * 1000});
    cr_assert_eq(kill(scene.child.pid, SIGKILL), 0);
    struct sampler_counts counts = end(&scene);
    cr_expect_eq(scene.status, STATUS_GONE);
    cr_expect(sampler_counts_add_up(&counts));
    cr_expect_eq(counts.due, counts.ticks);
    cr_expect_geq(counts.missed, 1, "the last tick");
}
