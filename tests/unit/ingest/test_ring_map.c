#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/ingest/ring_map.h"

static struct error error;

static int make(unsigned flags, off_t size, int seals) {
    int fd = memfd_create("ring", MFD_CLOEXEC | flags);
    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, size), 0);
    cr_assert(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

static enum status try_map(int fd) {
    struct ring *ring = NULL;
    enum status status = ring_map(fd, &ring, &error);
    cr_assert_eq(ring != NULL, status == STATUS_OK);
    ring_unmap(ring);
    cr_assert_eq(close(fd), 0);
    return status;
}

Test(ring_map, maps_a_sealed_memfd) {
    int fd = make(MFD_ALLOW_SEALING, sizeof(struct ring), F_SEAL_SHRINK | F_SEAL_GROW);
    struct ring *ring = NULL;
    cr_assert_eq(ring_map(fd, &ring, &error), STATUS_OK, "%s", error.text);
    ring->header.heartbeat_ms = 5;
    uint32_t seen = 0;
    cr_assert_eq(pread(fd, &seen, sizeof seen, offsetof(struct ring_header, heartbeat_ms)), 4);
    cr_expect_eq(seen, 5, "it is shared");
    cr_expect_neq(ftruncate(fd, 0), 0);
    cr_assert_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof(struct ring)),
                 0);
    cr_expect_eq(ring->header.heartbeat_ms, 0, "a hole is zeros");
    ring_unmap(ring);
    cr_assert_eq(close(fd), 0);
}

Test(ring_map, refuses_one_that_can_be_cut_short) {
    cr_expect_eq(try_map(make(MFD_ALLOW_SEALING, sizeof(struct ring), F_SEAL_GROW)),
                 STATUS_CORRUPT);
    cr_expect_eq(try_map(make(0, sizeof(struct ring), 0)), STATUS_CORRUPT,
                 "it has F_SEAL_SEAL only");
}

Test(ring_map, refuses_another_size) {
    cr_expect_eq(try_map(make(MFD_ALLOW_SEALING, sizeof(struct ring) - 1, F_SEAL_SHRINK)),
                 STATUS_CORRUPT);
    cr_expect_eq(try_map(make(MFD_ALLOW_SEALING, (off_t)1 << 40, F_SEAL_SHRINK)), STATUS_CORRUPT);
}

Test(ring_map, refuses_one_that_cannot_be_written_to) {
    cr_expect_eq(
        try_map(make(MFD_ALLOW_SEALING, sizeof(struct ring), F_SEAL_SHRINK | F_SEAL_WRITE)),
        STATUS_CORRUPT);
}

Test(ring_map, refuses_huge_pages) {
    int fd = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
    if (fd < 0 || ftruncate(fd, 2 << 20) != 0) {
        cr_skip("this kernel has no huge pages to give");
    }
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    cr_expect_eq(try_map(fd), STATUS_CORRUPT);
}

Test(ring_map, refuses_what_is_no_memfd) {
    int ends[2];
    char path[] = "/tmp/ring-XXXXXX";
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(close(ends[1]), 0);
    cr_expect_eq(try_map(ends[0]), STATUS_ABSENT);
    int file = mkstemp(path);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(ftruncate(file, sizeof(struct ring)), 0);
    enum status status = try_map(file);
    cr_expect(status == STATUS_ABSENT || status == STATUS_CORRUPT, "/tmp may be a tmpfs");
    cr_expect_eq(try_map(open("/dev/zero", O_RDWR)), STATUS_ABSENT);
}
