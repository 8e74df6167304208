#include "shim/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shim/ring_writer.h"
#include "shim/sandbox.h"

enum {
    DESCRIPTOR_MIN = 1000, /* few programs come so far, and fewer count on the next one's number */
};

static struct {
    _Atomic(struct ring *) ring; /* NULL: none */
    pid_t pid;                   /* whose it is */
    bool left_alone; /* we were forked by a process that is profiled without its children */
    int fd;
    struct statx file; /* what is behind `fd`, in case that the program has closed it */
} published = {.fd = -1};

static struct ring *ring_of_ours(void) {
    return atomic_load_explicit(&published.ring, memory_order_acquire);
}

/* Moves a descriptor out of the program's way, if the limits let it. */
static int descriptor_raise(int fd) {
    struct rlimit limit;
    int lowest = DESCRIPTOR_MIN;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= DESCRIPTOR_MIN) {
        lowest = limit.rlim_cur > 1 ? (int)limit.rlim_cur - 1 : 0;
    }
    int raised = fcntl(fd, F_DUPFD_CLOEXEC, lowest);
    if (raised < 0) {
        return fd;
    }
    (void)close(fd);
    return raised;
}

/* Whether a file may be as large as a ring: to try it with less is SIGXFSZ, which ends a program.
 */
static bool ring_fits(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur >= sizeof(struct ring);
}

/* A ring that nobody can cut short: its reader need not fear SIGBUS. Its descriptor, or -1. */
static int ring_create(struct ring **out) {
    int fd = ring_fits() ? memfd_create(RING_FILE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;
    if (fd < 0) {
        return -1;
    }
    void *memory = MAP_FAILED;
    if (ftruncate(fd, sizeof(struct ring)) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
        memory = mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (memory == MAP_FAILED) {
        (void)close(fd);
        return -1;
    }
    ring_begin(memory, (int32_t)getpid());
    *out = memory;
    return descriptor_raise(fd);
}

/* statx(), since fstat() is of glibc 2.33 in what is linked with a newer one. */
static bool file_look(int fd, struct statx *out) {
    return fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_INO, out) == 0;
}

static bool file_is(int fd, const struct statx *file) {
    struct statx now;
    return file_look(fd, &now) && now.stx_ino == file->stx_ino &&
           now.stx_dev_major == file->stx_dev_major && now.stx_dev_minor == file->stx_dev_minor;
}

static void ring_open(void) {
    struct ring *ring = NULL;
    published.pid = getpid();
    published.fd = ring_create(&ring);
    if (!file_look(published.fd, &published.file)) {
        published.fd = -1;
    }
    atomic_store_explicit(&published.ring, ring, memory_order_release);
}

static void descriptor_leave(void) {
    if (file_is(published.fd, &published.file)) {
        (void)close(published.fd);
    }
    published.fd = -1;
}

/* Lets go of the ring that a fork has inherited. */
static void ring_leave(struct ring *ring) {
    atomic_store_explicit(&published.ring, NULL, memory_order_release);
    (void)munmap(ring, sizeof *ring);
    descriptor_leave();
}

/* In the child of a fork, which has one thread. If somebody reads the ring that it has inherited:
 * says so there, and gets one of its own if that will be read. If nobody does, it is left as it is,
 * since every fork would pay for more. */
static void on_forked(void) {
    struct ring *inherited = ring_of_ours();
    int kept_errno = errno;
    if (inherited != NULL && publish_is_read()) {
        published.left_alone = published.left_alone || !publish_follows();
        publish_process(RING_FORKED);
        ring_leave(inherited);
        if (!published.left_alone) {
            ring_open();
        }
    }
    errno = kept_errno;
}

void publish_begin(void) {
    static bool listens; /* to forks */
    int kept_errno = errno;
    if (ring_of_ours() == NULL || !publish_is_own()) {
        /* One that was inherited stays mapped: another thread may be looking at it. */
        descriptor_leave();
        published.left_alone = false;
        ring_open();
    }
    if (!listens && publish_has_ring()) {
        listens = pthread_atfork(NULL, NULL, on_forked) == 0;
    }
    errno = kept_errno;
}

bool publish_has_ring(void) {
    return ring_of_ours() != NULL;
}

bool publish_is_read(void) {
    struct ring *ring = ring_of_ours();
    struct timespec now;
    if (ring == NULL || sandbox_is_entered()) {
        return false;
    }
    uint32_t heartbeat_ms = atomic_load_explicit(&ring->header.heartbeat_ms, memory_order_relaxed);
    if (heartbeat_ms == 0 || clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0) {
        return false;
    }
    uint32_t now_ms = (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    /* The coarse clock may be behind the reader's. */
    return (int32_t)(now_ms - heartbeat_ms) < RING_SILENCE_MS;
}

bool publish_follows(void) {
    struct ring *ring = ring_of_ours();
    uint32_t wants =
        ring == NULL ? 0 : atomic_load_explicit(&ring->header.wants, memory_order_relaxed);
    return wants == 0 || (publish_is_read() && (wants & RING_WANTS_CHILDREN) != 0);
}

bool publish_is_left_alone(void) {
    return published.left_alone;
}

bool publish_is_own(void) {
    return published.pid == getpid();
}

void publish_code(enum ring_kind kind, uint64_t address) {
    if (publish_is_read() && publish_is_own()) {
        const struct ring_code code = {.address = address};
        (void)ring_write(ring_of_ours(), (uint16_t)kind, &code, sizeof code);
    }
}

void publish_process(enum ring_kind kind) {
    if (publish_is_read()) {
        const struct ring_process process = {.pid = (int32_t)getpid()};
        (void)ring_write(ring_of_ours(), (uint16_t)kind, &process, sizeof process);
    }
}
