#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/ring.h"
#include "shim/publish.h"

static int ring_descriptor(void) {
    char path[64];
    char name[64];
    for (int fd = 0; fd < 1100; fd++) {
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(path, name, sizeof name);
        if (size > 0 && strncmp(name, "/memfd:" RING_FILE_NAME " ", (size_t)size - 9) == 0) {
            return fd;
        }
    }
    return -1;
}

/* As a daemon has it. */
static struct ring *ring_open(void) {
    int fd = ring_descriptor();
    cr_assert_geq(fd, 0);
    void *ring = mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert_neq(ring, MAP_FAILED);
    return ring;
}

static uint32_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

static uint64_t address_of(const struct ring_record *record) {
    struct ring_code code;
    memcpy(&code, record->payload, sizeof code);
    return code.address;
}

static int32_t pid_of(const struct ring_record *record) {
    struct ring_process process;
    memcpy(&process, record->payload, sizeof process);
    return process.pid;
}

Test(publish, makes_a_ring_that_cannot_be_cut_short) {
    errno = 5;
    publish_begin();
    cr_expect_eq(errno, 5);
    cr_assert(publish_has_ring());
    cr_expect(publish_is_own());
    int fd = ring_descriptor();
    cr_expect_geq(fd, 1000, "out of the program's way");
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_expect(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK);
    cr_expect_neq(ftruncate(fd, 0), 0);
    struct ring *ring = ring_open();
    cr_expect_eq(ring->header.magic, RING_MAGIC);
    cr_expect_eq(ring->header.pid, getpid());
    publish_begin();
    cr_expect_eq(close(fd), 0);
    cr_expect_eq(ring_descriptor(), -1, "one only");
}

Test(publish, keeps_below_the_limit_of_descriptors) {
    const struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    publish_begin();
    cr_expect(publish_has_ring());
    cr_expect_eq(ring_descriptor(), 63);
}

Test(publish, does_without_where_files_must_be_small) {
    const struct rlimit limit = {.rlim_cur = sizeof(struct ring) - 1, .rlim_max = RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    publish_begin();
    cr_expect_not(publish_has_ring());
    cr_expect_eq(ring_descriptor(), -1);
    publish_code(RING_CODE_DESTROYED, 1);
    cr_expect(publish_follows());
}

Test(publish, writes_only_while_somebody_reads) {
    publish_begin();
    struct ring *ring = ring_open();
    cr_expect_not(publish_is_read());
    publish_code(RING_CODE_DESTROYED, 1);
    ring->header.heartbeat_ms = now_ms() - RING_SILENCE_MS - 100;
    publish_code(RING_CODE_DESTROYED, 2);
    cr_expect_eq(ring->header.head, 0);
    ring->header.heartbeat_ms = now_ms();
    ring->header.wants = RING_WANTS_NEWS;
    cr_expect(publish_is_read());
    publish_code(RING_CODE_DESTROYED, 3);
    publish_process(RING_EXECS);
    cr_expect_eq(ring->header.head, 2);
    cr_expect_eq(ring->records[0].kind, RING_CODE_DESTROYED);
    cr_expect_eq(address_of(&ring->records[0]), 3);
    cr_expect_eq(ring->records[1].kind, RING_EXECS);
    cr_expect_eq(pid_of(&ring->records[1]), getpid());
    ring->header.heartbeat_ms = 0;
    publish_code(RING_CODE_DESTROYED, 4);
    cr_expect_eq(ring->header.head, 2, "it has left");
}

/* 10 * whether the child has a ring of its own + whether a descriptor is left. */
static int fork_and_look(void) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        bool own = publish_has_ring() && publish_is_own();
        _exit((own ? 10 : 0) + (ring_descriptor() >= 0 ? 1 : 0));
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

Test(publish, a_fork_tells_its_parents_reader_and_gets_a_ring_if_it_is_followed) {
    publish_begin();
    struct ring *ring = ring_open();
    cr_expect_eq(fork_and_look(), 1, "nobody reads: it is left as it is");
    cr_expect_eq(ring->header.head, 0);
    ring->header.heartbeat_ms = now_ms();
    ring->header.wants = RING_WANTS_NEWS;
    cr_expect_eq(fork_and_look(), 0, "nobody follows");
    cr_expect_eq(ring->header.head, 1);
    cr_expect_eq(ring->records[0].kind, RING_FORKED);
    cr_expect_neq(pid_of(&ring->records[0]), getpid());
    ring->header.wants = RING_WANTS_NEWS | RING_WANTS_CHILDREN;
    cr_expect_eq(fork_and_look(), 11);
    cr_expect_eq(ring->header.head, 2);
    cr_expect(publish_is_own());
}

Test(publish, a_fork_tells_nothing_of_its_own_code_in_its_parents_ring) {
    publish_begin();
    struct ring *ring = ring_open();
    int begun[2];
    int news[2];
    int status = 1;
    char byte;
    cr_assert_eq(pipe(begun), 0);
    cr_assert_eq(pipe(news), 0);
    pid_t child = fork();
    if (child == 0) {
        bool told = write(begun[1], "", 1) == 1 &&
                    read(news[0], &byte, 1) == 1; /* somebody reads the parent's by now */
        publish_code(RING_CODE_DESTROYED, 1);
        publish_process(RING_EXECS);
        _exit(told && publish_is_read() && !publish_is_own() ? 0 : 2);
    }
    cr_assert_eq(read(begun[0], &byte, 1), 1);
    ring->header.heartbeat_ms = now_ms();
    cr_assert_eq(write(news[1], "", 1), 1);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0);
    cr_expect_eq(ring->header.head, 1);
    cr_expect_eq(ring->records[0].kind, RING_EXECS);
}

/* The number may be another file's by then. */
Test(publish, a_fork_closes_nothing_that_is_not_its_own) {
    publish_begin();
    struct ring *ring = ring_open();
    int fd = ring_descriptor();
    int pipes[2];
    cr_assert_eq(pipe(pipes), 0);
    cr_assert_eq(dup2(pipes[1], fd), fd);
    ring->header.heartbeat_ms = now_ms();
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        _exit(write(fd, "", 1) == 1 ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0);
}
