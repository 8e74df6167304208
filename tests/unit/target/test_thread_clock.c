#include "daemon/target/thread_clock.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include "child.h"

static void burn(long ms) {
    struct timespec used;
    struct timespec begun;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
    do {
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    } while ((used.tv_sec - begun.tv_sec) * 1000 + (used.tv_nsec - begun.tv_nsec) / 1000000 < ms);
}

static struct process self(void) {
    struct process process = PROCESS_NONE;
    cr_assert_eq(process_open(getpid(), &process, NULL), STATUS_OK);
    return process;
}

static struct thread_clock open_clock(const struct process *process) {
    struct thread_clock clock = THREAD_CLOCK_NONE;
    enum status status = thread_clock_open(process, process->pid, &clock);
    if (status == STATUS_ABSENT) {
        cr_skip_test("this kernel does not account");
    }
    cr_assert_eq(status, STATUS_OK);
    return clock;
}

Test(thread_clock, counts_cpu_time_and_slices) {
    struct process process = self();
    struct thread_clock clock = open_clock(&process);
    uint64_t before_ns = 0;
    uint64_t before_slices = 0;
    uint64_t after_ns = 0;
    uint64_t after_slices = 0;
    cr_assert_eq(thread_clock_read(&clock, &before_ns, &before_slices), STATUS_OK);
    burn(40);
    (void)usleep(1000);
    cr_assert_eq(thread_clock_read(&clock, &after_ns, &after_slices), STATUS_OK);
    cr_assert_geq(after_ns - before_ns, 30000000);
    cr_assert_lt(after_ns - before_ns, 3000000000);
    cr_assert_gt(after_slices, before_slices);
    thread_clock_close(&clock);
    thread_clock_close(&clock);
    process_close(&process);
}

Test(thread_clock, allocates_nothing) {
    struct process process = self();
    struct thread_clock clock = open_clock(&process);
    uint64_t ns = 0;
    uint64_t slices = 0;
    struct mallinfo2 before = mallinfo2();
    for (unsigned i = 0; i < 1000; ++i) {
        cr_assert_eq(thread_clock_read(&clock, &ns, &slices), STATUS_OK);
    }
    struct mallinfo2 after = mallinfo2();
    cr_assert_eq(before.uordblks, after.uordblks);
    thread_clock_close(&clock);
    process_close(&process);
}

Test(thread_clock, of_a_thread_that_ends) {
    struct child child = child_fork(NULL, NULL);
    struct process process = child_open(&child);
    struct thread_clock clock = open_clock(&process);
    struct thread_clock other = {.fd = -77};
    uint64_t ns = 7;
    uint64_t slices = 7;
    cr_assert_eq(thread_clock_open(&process, getpid(), &other), STATUS_GONE); /* not its own */
    child_end(&child);
    cr_assert_eq(thread_clock_read(&clock, &ns, &slices), STATUS_GONE);
    cr_assert(ns == 7 && slices == 7, "the outputs were touched");
    cr_assert_eq(thread_clock_open(&process, process.pid, &other), STATUS_GONE);
    cr_assert_eq(other.fd, -77);
    thread_clock_close(&clock);
    process_close(&process);
}
