#include "daemon/target/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/target/rights.h"
#include "daemon/target/rooted_file.h"

struct search {
    const struct process *process;
    const struct mapping *first;
    const struct elf_image *image;
    int fd;
    enum mapped_file_way way;
    bool denied; /* one of the ways was barred */
};

/* Opens what one of the ways leads to, without opening the file itself. */
static int way_open(const struct search *search, enum mapped_file_way way) {
    int dir = search->process->dir;
    char name[64];
    switch (way) {
    case MAPPED_FILE_MAP_FILES:
        (void)snprintf(name, sizeof name, "map_files/%" PRIx64 "-%" PRIx64, search->first->start.v,
                       search->first->end.v);
        return openat(dir, name, O_PATH | O_CLOEXEC);
    case MAPPED_FILE_PATH:
        return rooted_file_find(search->process,
                                rooted_file_path(search->process, search->first->path));
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
    GUARD_FD int fd = rooted_file_open(path);
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
