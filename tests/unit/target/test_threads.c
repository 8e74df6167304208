#include "daemon/target/threads.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

enum { MANY = 200 };

static void *thread_pause(void *unused) {
    for (;;) {
        (void)pause();
    }
    return unused;
}

static void start_many(void *count) {
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, 65536);
    for (unsigned i = 0; i < *(unsigned *)count; ++i) {
        pthread_t thread;
        (void)pthread_create(&thread, &attributes, thread_pause, NULL);
    }
}

Test(threads, listed) {
    unsigned count = MANY;
    struct child child = child_fork(start_many, &count);
    struct process process = child_open(&child);
    struct threads threads = THREADS_NONE;
    for (unsigned round = 0; round < 2; ++round) { /* again in the same memory */
        cr_assert_eq(threads_list(&process, &threads), STATUS_OK);
        cr_assert_eq(threads.count, MANY + 1);
        cr_assert_eq(threads.items[0].tid, child.pid);
        for (size_t i = 0; i < threads.count; ++i) {
            cr_assert(i == 0 || threads.items[i].tid > threads.items[i - 1].tid);
            cr_assert_eq(threads.items[i].own_tid, threads.items[i].tid);
        }
    }
    cr_assert_eq(threads_find_own(&threads, child.pid), &threads.items[0]);
    cr_assert_null(threads_find_own(&threads, -1));
    child_end(&child);
    cr_assert_eq(threads_list(&process, &threads), STATUS_GONE);
    cr_assert_eq(threads.count, MANY + 1, "the list was touched");
    threads_deinit(&threads);
    threads_deinit(&threads);
    process_close(&process);
}

static int threads_in_namespace(void *count) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    start_many(count);
    return (int)(intptr_t)thread_pause(NULL);
}

Test(threads, in_a_pid_namespace) {
    static char stack[65536] __attribute__((aligned(16)));
    unsigned count = 3;
    pid_t pid = clone(threads_in_namespace, stack + sizeof stack, CLONE_NEWPID | SIGCHLD, &count);
    if (pid < 0) {
        cr_skip_test("no PID namespace can be made");
    }
    struct child child = {.pid = pid, .ready = -1};
    struct process process = child_open(&child);
    struct threads threads = THREADS_NONE;
    for (unsigned i = 0; i < 1000 && threads.count < count + 1; ++i) {
        cr_assert_eq(threads_list(&process, &threads), STATUS_OK);
    }
    cr_assert_eq(threads.count, count + 1);
    for (pid_t own = 1; own <= (pid_t)count + 1; ++own) {
        const struct kernel_thread *thread = threads_find_own(&threads, own);
        cr_assert_not_null(thread);
        cr_assert_eq(thread->tid, threads.items[own - 1].tid);
        cr_assert_neq(thread->tid, own);
    }
    threads_deinit(&threads);
    process_close(&process);
    child_end(&child);
}
