#include "daemon/target/thread_activity.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint32_t word = 1;

static void sleep_in_futex(void) {
    (void)syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

static void sleep_in_futex_for_long(void) {
    const struct timespec hour = {.tv_sec = 3600};
    (void)syscall(SYS_futex, &word, FUTEX_WAIT, 1, &hour, NULL, 0);
}

static void sleep_in_pause(void) {
    (void)pause();
}

static void spin(void) {
    for (volatile unsigned i = 0;; i++) {
    }
}

/* What is read of a child that does this, once it is in that state. */
static struct thread_activity activity_of(void (*body)(void), char state, pid_t *child) {
    struct thread_activity activity = {.state = '?'};
    char path[32];
    *child = fork();
    cr_assert(*child >= 0);
    if (*child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_NAME, "a\nname)");
        body();
        _exit(1);
    }
    (void)snprintf(path, sizeof path, "/proc/%d", *child);
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_assert(dir >= 0);
    for (unsigned i = 0; i < 10000 && activity.state != state; i++) {
        (void)usleep(1000);
        cr_assert_eq(thread_activity_read(dir, *child, &activity), STATUS_OK);
    }
    cr_assert_eq(activity.state, state);
    (void)close(dir);
    return activity;
}

static void child_end(pid_t child) {
    (void)kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
}

Test(thread_activity, system_call) {
    pid_t child;
    uint64_t address = 7;
    bool timed = true;
    struct thread_activity activity = activity_of(sleep_in_pause, 'S', &child);
    cr_expect(activity.in_call);
    cr_expect_eq(activity.call, SYS_pause);
    cr_expect_str_eq(activity.comm, "a?name)");
    cr_expect_not(thread_activity_futex(&activity, 8, &address, &timed));
    cr_expect_eq(address, 7);
    child_end(child);
}

Test(thread_activity, futex) {
    pid_t child;
    uint64_t address = 0;
    bool timed = true;
    struct thread_activity activity = activity_of(sleep_in_futex, 'S', &child);
    cr_expect(thread_activity_futex(&activity, 8, &address, &timed));
    cr_expect_eq(address, (uintptr_t)&word);
    cr_expect_not(timed);
    /* The same number is another call in a program of 32 bits. */
    cr_expect_not(thread_activity_futex(&activity, 4, &address, &timed));
    child_end(child);
}

Test(thread_activity, futex_for_a_limited_time) {
    pid_t child;
    uint64_t address = 0;
    bool timed = false;
    struct thread_activity activity = activity_of(sleep_in_futex_for_long, 'S', &child);
    cr_expect(thread_activity_futex(&activity, 8, &address, &timed));
    cr_expect(timed);
    child_end(child);
}

Test(thread_activity, running) {
    pid_t child;
    struct thread_activity activity = activity_of(spin, 'R', &child);
    cr_expect_not(activity.in_call);
    child_end(child);
}

Test(thread_activity, one_that_is_not_there) {
    struct thread_activity activity = {.state = '?'};
    int dir = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_expect_eq(thread_activity_read(dir, 1 << 30, &activity), STATUS_GONE);
    cr_expect_eq(activity.state, '?');
    (void)close(dir);
}
