#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/ring_record.h"
#include "daemon/ingest/ring_find.h"
#include "daemon/ingest/ring_map.h"

static struct error error;

static int make(const char *name, off_t size, int seals, int32_t pid) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, size), 0);
    const struct ring_header header = {.magic = RING_MAGIC, .pid = pid};
    cr_assert_eq(pwrite(fd, &header, sizeof header, 0), (ssize_t)sizeof header);
    cr_assert(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

/* Looks at ourselves. */
static enum status find(struct ring **out) {
    int process = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    enum status status = ring_find(process, getpid(), out, &error);
    (void)close(process);
    return status;
}

Test(ring_find, finds_ours_among_others) {
    struct ring *ring = NULL;
    cr_expect_eq(find(&ring), STATUS_ABSENT);
    (void)make("other", sizeof(struct ring), F_SEAL_SHRINK, getpid());
    (void)make(RING_FILE_NAME, sizeof(struct ring), F_SEAL_SHRINK, getpid() + 1);
    cr_expect_eq(find(&ring), STATUS_ABSENT, "of another name, of another process");
    (void)make(RING_FILE_NAME, 4096, F_SEAL_SHRINK, getpid());
    (void)make(RING_FILE_NAME, sizeof(struct ring), 0, getpid());
    cr_expect_eq(find(&ring), STATUS_CORRUPT, "of another size, to be cut short");
    int fd = make(RING_FILE_NAME, sizeof(struct ring), F_SEAL_SHRINK, getpid());
    cr_assert_eq(find(&ring), STATUS_OK, "%s", error.text);
    ring->header.wants = 7;
    struct ring_header header;
    cr_assert_eq(pread(fd, &header, sizeof header, 0), (ssize_t)sizeof header);
    cr_expect_eq(header.wants, 7);
    ring_unmap(ring);
}

/* To wait until the target lets go would take 45 seconds (/proc/sys/fs/lease-break-time). */
Test(ring_find, does_not_wait_for_a_lease) {
    struct ring *ring = NULL;
    char path[64];
    int fd = make(RING_FILE_NAME, sizeof(struct ring), F_SEAL_SHRINK, getpid());
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reader = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_eq(close(fd), 0);
    (void)signal(SIGIO, SIG_IGN); /* says that somebody wants the lease back */
    if (fcntl(reader, F_SETLEASE, F_RDLCK) != 0) {
        cr_skip_test("this kernel gives no lease on a memfd");
    }
    cr_expect_eq(find(&ring), STATUS_ABSENT);
}

/* To open it, and to go on then, would wait for somebody at its other end. */
Test(ring_find, leaves_a_file_alone_that_only_has_such_a_name) {
    static const char path[] = "/memfd:" RING_FILE_NAME;
    struct ring *ring = NULL;
    if (mkfifo(path, 0600) != 0) {
        cr_skip_test("it takes root to make a file in /");
    }
    int fifo = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    cr_assert_eq(unlink(path), 0);
    cr_assert_geq(fifo, 0);
    cr_expect_eq(find(&ring), STATUS_ABSENT);
}

Test(ring_find, says_that_the_process_has_gone) {
    struct ring *ring = NULL;
    char path[64];
    pid_t child = fork();
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    (void)snprintf(path, sizeof path, "/proc/%d", (int)child);
    int process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_expect_eq(ring_find(process, child, &ring, &error), STATUS_GONE, "%s", error.text);
}
