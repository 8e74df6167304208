#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "daemon/service/read_watch.h"

struct reader {
    int from; /* -1: busy until told to stop */
    _Atomic pid_t tid;
    atomic_bool stop;
    pthread_t thread;
};

static void *read_or_run(void *context) {
    struct reader *reader = context;
    char byte;
    atomic_store(&reader->tid, gettid());
    if (reader->from >= 0) {
        (void)!read(reader->from, &byte, 1);
    }
    while (reader->from < 0 && !atomic_load(&reader->stop)) {
    }
    return NULL;
}

static void start(struct reader *reader) {
    cr_assert_eq(pthread_create(&reader->thread, NULL, read_or_run, reader), 0);
    while (atomic_load(&reader->tid) == 0) {
        (void)usleep(100);
    }
}

/* Looks that it takes at least, of `most`; 0 if it is never said to hang. */
static unsigned looks_until_it_hangs(struct read_watch *watch, pid_t tid, uint64_t since_ns,
                                     unsigned most) {
    for (unsigned i = 1; i <= most; i++) {
        if (read_watch_look(watch, tid, since_ns)) {
            return i;
        }
    }
    return 0;
}

Test(read_watch, a_read_that_is_not_answered, .timeout = 60) {
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    struct reader reader = {.from = ends[0]};
    struct read_watch watch = {0};
    start(&reader);
    (void)usleep(20 * 1000); /* until it sleeps, most likely: looks before that do not count */
    cr_expect_eq(looks_until_it_hangs(&watch, reader.tid, 5, READ_WATCH_LOOKS), 0, "not yet");
    cr_expect_neq(looks_until_it_hangs(&watch, reader.tid, 5, UINT32_MAX - 1), 0);

    cr_expect_eq(looks_until_it_hangs(&watch, reader.tid, 6, READ_WATCH_LOOKS), 0, "another one");
    cr_expect_eq(looks_until_it_hangs(&watch, reader.tid, 0, 1000), 0, "none is under way");
    (void)close(ends[1]);
    (void)pthread_join(reader.thread, NULL);
    (void)close(ends[0]);
}

Test(read_watch, a_thread_that_gets_no_processor_does_not_hang, .timeout = 60) {
    struct reader reader = {.from = -1};
    struct read_watch watch = {0};
    start(&reader);
    cr_expect_eq(looks_until_it_hangs(&watch, reader.tid, 5, 200), 0);
    atomic_store(&reader.stop, true);
    (void)pthread_join(reader.thread, NULL);
}
