#include "daemon/target/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/target/rights.h"

struct search {
    const struct process *process;
    const struct mapping *first;
    const struct elf_image *image;
    int fd;
    enum mapped_file_way way;
    bool denied; /* one of the ways was barred */
};

static int path_open(int root, const char *path) {
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* The path as the target's root has it: maps shows it from our root, which is not the same in a
 * chroot. A path that does not lie below the target's root is left as it is: its mount namespace is
 * another one, and the kernel showed the path from that one's root. */
static const char *path_in_root(const struct process *process, const char *path) {
    char root[PATH_MAX];
    ssize_t length = readlinkat(process->dir, "root", root, sizeof root);
    if (length > 1 && (size_t)length < sizeof root && strncmp(path, root, (size_t)length) == 0 &&
        path[length] == '/') {
        return path + length;
    }
    return path;
}

/* Opens what one of the ways leads to, without opening the file itself. */
static int way_open(const struct search *search, enum mapped_file_way way) {
    int dir = search->process->dir;
    char name[64];
    switch (way) {
    case MAPPED_FILE_MAP_FILES:
        (void)snprintf(name, sizeof name, "map_files/%" PRIx64 "-%" PRIx64, search->first->start.v,
                       search->first->end.v);
        return openat(dir, name, O_PATH | O_CLOEXEC);
    case MAPPED_FILE_PATH: {
        GUARD_FD int root = openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return root < 0 ? -1 : path_open(root, path_in_root(search->process, search->first->path));
    }
    case MAPPED_FILE_EXE:
        return openat(dir, "exe", O_PATH | O_CLOEXEC);
    }
    return -1;
}

/* Whether the file begins with the bytes that lie in memory. */
static bool file_is_mapped_one(int fd, const struct elf_image *image) {
    uint8_t head[ELF_IMAGE_HEAD];
    ssize_t got = pread(fd, head, image->head_size, 0);
    return got > 0 && (size_t)got <= image->head_size &&
           memcmp(head, image->head, (size_t)got) == 0 && (size_t)got >= image->headers_size;
}

/* Opens for reading what `path` refers to, if it is the file. */
static int regular_open(int path, const struct elf_image *image) {
    struct stat stat;
    if (fstat(path, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        errno = ENOENT;
        return -1;
    }
    char name[64];
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", path);
    GUARD_FD int fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && !file_is_mapped_one(fd, image)) {
        errno = ENOENT;
        return -1;
    }
    return guard_fd_take(&fd);
}

static void search_run(void *context) {
    struct search *search = context;
    static const enum mapped_file_way ways[] = {MAPPED_FILE_MAP_FILES, MAPPED_FILE_PATH,
                                                MAPPED_FILE_EXE};
    for (size_t i = 0; i < sizeof ways / sizeof *ways && search->fd < 0; ++i) {
        GUARD_FD int path = way_open(search, ways[i]);
        if (path >= 0) {
            search->fd = regular_open(path, search->image);
        }
        if (search->fd >= 0) {
            search->way = ways[i];
        } else if (errno == EACCES) { /* without the capability for map_files it is EPERM */
            search->denied = true;
        }
    }
}

enum status mapped_file_open(const struct process *process, const struct mapping *first,
                             const struct elf_image *image, int *fd, enum mapped_file_way *way) {
    struct rights rights;
    enum status status = rights_read(process, &rights);
    if (status != STATUS_OK) {
        return status;
    }
    struct search search = {.process = process, .first = first, .image = image, .fd = -1};
    status = rights_run(&rights, search_run, &search);
    if (status != STATUS_OK) {
        return status;
    }
    if (search.fd < 0) {
        return search.denied ? STATUS_DENIED : STATUS_ABSENT;
    }
    *fd = search.fd;
    *way = search.way;
    return STATUS_OK;
}
