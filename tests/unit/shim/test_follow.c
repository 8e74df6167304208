#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/ring.h"
#include "shim/follow.h"
#include "shim/publish.h"

Test(follow, before_it_has_begun_nothing_is_handed_on) {
    cr_assert_not(follow_exec(true));
}

Test(follow, a_file_is_handed_on_by_everything) {
    follow_begin("/usr/lib/echion/libechion-shim.so", false);
    cr_assert(follow_exec(true));
    follow_begin("/usr/lib/echion/libechion-shim.so", true);
    cr_assert(follow_exec(true));
}

Test(follow, a_descriptor_is_handed_on_until_the_first_python) {
    follow_begin("/proc/1234/fd/64", false);
    cr_assert(follow_exec(true));
    follow_begin("/proc/1234/fd/64", true);
    cr_assert_not(follow_exec(true));
}

/* The ring as a daemon has it. */
static struct ring *ring_open(void) {
    char path[64];
    char name[64] = "";
    int fd = 1000; /* where it is put */
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    cr_assert_gt(readlink(path, name, sizeof name - 1), 0);
    cr_assert_str_eq(name, "/memfd:" RING_FILE_NAME " (deleted)");
    void *ring = mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert_neq(ring, MAP_FAILED);
    return ring;
}

/* 2 * what a fork says of what it becomes + what it says of what it starts. */
static int in_a_fork(void) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        _exit((follow_exec(true) ? 2 : 0) + (follow_exec(false) ? 1 : 0));
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

Test(follow, children_of_a_python_get_it_if_they_are_profiled) {
    struct timespec now;
    follow_begin("/usr/lib/echion/libechion-shim.so", true);
    publish_begin();
    struct ring *ring = ring_open();
    cr_expect(follow_exec(true));
    cr_expect(follow_exec(false), "nobody knows yet");
    cr_expect_eq(in_a_fork(), 3);

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    ring->header.heartbeat_ms =
        (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    ring->header.wants = RING_WANTS_NEWS;
    cr_expect(follow_exec(true), "the program itself is");
    cr_expect_not(follow_exec(false));
    cr_expect_eq(in_a_fork(), 0);

    ring->header.wants = RING_WANTS_NEWS | RING_WANTS_CHILDREN;
    cr_expect(follow_exec(true));
    cr_expect(follow_exec(false));
    cr_expect_eq(in_a_fork(), 3);

    ring->header.heartbeat_ms = 0;
    cr_expect(follow_exec(true));
    cr_expect_not(follow_exec(false), "the reader has left");
    cr_expect_eq(in_a_fork(), 0);
}
