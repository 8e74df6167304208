#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/service/cpu_totals.h"
#include "daemon/service/thread_account.h"

#define MS UINT64_C(1000000)

/* A thread of our own process, which stands for the target: burns CPU time as it is told. */
struct worker {
    pthread_t thread;
    _Atomic pid_t tid;
    uint64_t burn_ns; /* 0: end */
    sem_t begin, done;
};

/* The process, and what a sampler would know of its threads. */
struct scene {
    struct process process;
    struct cpu_totals *totals;
    struct kernel_thread items[8];
    struct threads kernel;
    struct thread_record records[4];
    struct thread_record *pointers[4];
    struct thread_table threads;
};

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

static void *work(void *context) {
    struct worker *worker = context;
    atomic_store(&worker->tid, gettid());
    for (;;) {
        (void)sem_post(&worker->done);
        (void)sem_wait(&worker->begin);
        if (worker->burn_ns == 0) {
            return NULL;
        }
        uint64_t until_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) + worker->burn_ns;
        while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until_ns) {
        }
    }
}

static void worker_start(struct worker *worker) {
    (void)sem_init(&worker->begin, 0, 0);
    (void)sem_init(&worker->done, 0, 0);
    cr_assert_eq(pthread_create(&worker->thread, NULL, work, worker), 0);
    (void)sem_wait(&worker->done);
}

/* Returns once it sleeps again: what it used is accounted then. */
static void worker_burn(struct worker *worker, uint64_t ns) {
    const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
    worker->burn_ns = ns;
    (void)sem_post(&worker->begin);
    (void)sem_wait(&worker->done);
    (void)nanosleep(&pause, NULL);
}

static void worker_end(struct worker *worker) {
    worker->burn_ns = 0;
    (void)sem_post(&worker->begin);
    (void)pthread_join(worker->thread, NULL);
}

static void begin(struct scene *scene) {
    struct error error;
    memset(scene, 0, sizeof *scene);
    cr_assert_eq(process_open(getpid(), &scene->process, &error), STATUS_OK, "%s", error.text);
    scene->kernel.items = scene->items;
    scene->threads.records = scene->pointers;
    cr_assert_eq(cpu_totals_create(&scene->process, &scene->totals), STATUS_OK);
}

static void end(struct scene *scene) {
    cpu_totals_destroy(scene->totals);
    for (uint32_t i = 0; i < scene->threads.count; i++) {
        thread_account_destroy(scene->records[i].account);
    }
    process_close(&scene->process);
}

static void add_kernel_thread(struct scene *scene, pid_t tid) {
    scene->items[scene->kernel.count++] = (struct kernel_thread){.tid = tid, .own_tid = tid};
}

static struct thread_record *add_record(struct scene *scene, pid_t tid) {
    struct thread_record *record = &scene->records[scene->threads.count];
    record->tid = tid;
    scene->pointers[scene->threads.count++] = record;
    return record;
}

static void update(struct scene *scene, uint64_t *native_ns, uint64_t *unseen_ns) {
    cpu_totals_update(scene->totals, &scene->kernel, &scene->threads);
    cpu_totals_get(scene->totals, &scene->threads, native_ns, unseen_ns);
}

Test(cpu_totals, threads_without_a_thread_state) {
    struct scene scene;
    struct worker native = {0};
    struct worker python = {0};
    uint64_t native_ns = 0;
    uint64_t unseen_ns = 0;
    begin(&scene);
    worker_start(&native);
    worker_start(&python);
    add_kernel_thread(&scene, native.tid);
    add_kernel_thread(&scene, python.tid);
    add_record(&scene, python.tid);
    update(&scene, &native_ns, &unseen_ns);
    cr_expect_eq(native_ns, 0, "what it used before it was seen first is nobody's");
    cr_expect_not_null(scene.records[0].account);
    worker_burn(&native, 30 * MS);
    worker_burn(&python, 20 * MS);
    update(&scene, &native_ns, &unseen_ns);
    cr_expect_geq(native_ns, 30 * MS);
    cr_expect_lt(native_ns, 45 * MS);
    cr_expect_geq(unseen_ns, 20 * MS, "the Python thread's, of which no sample was written");

    scene.kernel.items[0] = scene.kernel.items[--scene.kernel.count];
    worker_end(&native);
    uint64_t ended_ns = 0;
    update(&scene, &ended_ns, &unseen_ns);
    cr_expect_eq(ended_ns, native_ns, "it stays when the thread has gone");
    worker_end(&python);
    end(&scene);
}

Test(cpu_totals, threads_that_were_never_seen) {
    struct scene scene;
    struct worker worker = {0};
    uint64_t native_ns = 0;
    uint64_t unseen_ns = 0;
    begin(&scene);
    worker_start(&worker);
    worker_burn(&worker, 30 * MS);
    worker_end(&worker);
    update(&scene, &native_ns, &unseen_ns);
    cr_expect_eq(native_ns, 0);
    cr_expect_geq(unseen_ns, 30 * MS);
    end(&scene);
}

Test(cpu_totals, a_thread_that_becomes_a_python_one_is_counted_once) {
    struct scene scene;
    struct worker worker = {0};
    uint64_t native_ns = 0;
    uint64_t unseen_ns = 0;
    begin(&scene);
    worker_start(&worker);
    add_kernel_thread(&scene, worker.tid);
    update(&scene, &native_ns, &unseen_ns);
    worker_burn(&worker, 20 * MS);
    update(&scene, &native_ns, &unseen_ns);
    uint64_t before_ns = native_ns;
    cr_expect_geq(before_ns, 20 * MS);

    struct handover *handover = NULL;
    struct code_cache *codes = NULL;
    struct emitter emitter;
    struct thread_record *record = add_record(&scene, worker.tid);
    worker_burn(&worker, 30 * MS); /* before it has an account: from where it was seen last */
    update(&scene, &native_ns, &unseen_ns);
    cr_expect_eq(native_ns, before_ns);
    cr_assert_not_null(record->account);
    cr_assert_eq(handover_create(true, NULL, &handover), STATUS_OK);
    cr_assert_eq(code_cache_create(&codes), STATUS_OK);
    emitter_init(&emitter, handover, codes, &scene.threads, getpid());
    record->batch_thread = BATCH_FULL;
    cr_assert(emitter_ready(&emitter, 1));
    uint32_t node = emitter_node(&emitter, record, false, 1);
    cr_assert(thread_account_sample(record, &emitter, node, clock_ns(CLOCK_MONOTONIC)));
    uint64_t written_ns = thread_account_written(record->account);
    cr_expect_geq(written_ns, 30 * MS - 1000);
    cr_expect_lt(written_ns, 45 * MS);

    uint64_t unwritten_ns = unseen_ns;
    cpu_totals_get(scene.totals, &scene.threads, &native_ns, &unseen_ns);
    cr_expect_eq(unseen_ns, unwritten_ns - written_ns, "what is written is not unseen");
    cpu_totals_retire(scene.totals, record);
    scene.threads.count = 0;
    cpu_totals_get(scene.totals, &scene.threads, &native_ns, &unseen_ns);
    cr_expect_eq(unseen_ns, unwritten_ns - written_ns, "nor when its thread is gone");

    thread_account_destroy(record->account);
    worker_end(&worker);
    end(&scene);
    code_cache_destroy(codes);
    handover_destroy(handover);
}

Test(cpu_totals, of_many_native_threads) {
    enum { WORKERS = 40 };
    static struct worker workers[WORKERS];
    static struct kernel_thread items[WORKERS];
    struct scene scene;
    uint64_t native_ns = 0;
    uint64_t unseen_ns = 0;
    begin(&scene);
    scene.kernel.items = items;
    for (unsigned i = 0; i < WORKERS; i++) {
        worker_start(&workers[i]);
        items[i] = (struct kernel_thread){.tid = workers[i].tid, .own_tid = workers[i].tid};
        scene.kernel.count = i + 1;
    }
    update(&scene, &native_ns, &unseen_ns);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].burn_ns = MS;
        (void)sem_post(&workers[i].begin);
        (void)sem_wait(&workers[i].done);
    }
    worker_burn(&workers[0], MS);
    update(&scene, &native_ns, &unseen_ns);
    cr_expect_geq(native_ns, WORKERS * MS);
    for (unsigned i = 0; i < WORKERS; i++) {
        worker_end(&workers[i]);
    }
    end(&scene);
}

Test(cpu_totals, nothing_to_destroy) {
    cpu_totals_destroy(NULL);
}
