#include "daemon/service/shim_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/guard.h"

/* What the loader does not take as it stands: colons and spaces part entries, a dollar begins a
 * token such as $ORIGIN (ld.so(8)). */
#define SPECIAL ": $"

/* Copies are numbered from here on: a number that we do not need for anything else. */
enum { COPIES_FROM = 64, COPIES_TO = 1024 };

/* The name that a copy shows by in /proc/PID/maps. */
#define COPY_NAME "lib"

static enum status find_path(char out[static SHIM_PATH_MAX], struct error *error) {
    char self[SHIM_PATH_MAX];
    char joined[SHIM_PATH_MAX + sizeof ECHION_SHIM_FOLDER + sizeof SHIM_NAME_64 + 2];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) {
        return error_set(error, STATUS_SYS, "/proc/self/exe cannot be read: %s", strerror(errno));
    }
    self[length] = '\0';
    *strrchr(self, '/') = '\0'; /* the kernel's path is absolute */
    (void)snprintf(joined, sizeof joined, "%s/%s/%s", self, ECHION_SHIM_FOLDER, SHIM_NAME_64);
    GUARD_FREE char *path = realpath(joined, NULL);
    if (path == NULL) {
        return error_set(error, STATUS_ABSENT, "%s: %s", joined, strerror(errno));
    }
    if (strlen(path) >= SHIM_PATH_MAX) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "%.64s...: the path is too long to be preloaded", path);
    }
    memcpy(out, path, strlen(path) + 1);
    return STATUS_OK;
}

/* Makes sure of one file. The access is asked for first, since it is what has a reason to tell. */
static enum status check_file(const char *path, enum program_loader loader, struct error *error) {
    if (access(path, R_OK) != 0) {
        return error_set(error, status_from_errno(errno), "%s: %s", path, strerror(errno));
    }
    if (!shim_path_loads(path, loader)) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "%s cannot be loaded: it lies on a file system that is mounted noexec, or "
                         "is none of our libraries",
                         path);
    }
    return STATUS_OK;
}

/* A copy that nobody can change, or -1 with errno. */
static int copy_file(const char *path) {
    struct stat stat;
    GUARD_FD int from = open(path, O_RDONLY | O_CLOEXEC);
    GUARD_FD int to = memfd_create(COPY_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (from < 0 || to < 0 || fstat(from, &stat) != 0) {
        return -1;
    }
    for (off_t left = stat.st_size; left > 0;) {
        ssize_t sent = sendfile(to, from, NULL, (size_t)left);
        if (sent <= 0) {
            return -1;
        }
        left -= sent;
    }
    if (fcntl(to, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        return -1;
    }
    return guard_fd_take(&to);
}

static bool is_free(int number) {
    return fcntl(number, F_GETFD) < 0 && errno == EBADF;
}

/* Gives the copies two numbers of which shim_path_of can tell one from the other. */
static bool number_copies(const int files[2], int out[2]) {
    for (int number = COPIES_FROM; number < COPIES_TO; number += 2) {
        if (!is_free(number) || !is_free(number + 1)) {
            continue;
        }
        out[0] = dup3(files[0], number, O_CLOEXEC);
        out[1] = files[1] < 0 ? -1 : dup3(files[1], number + 1, O_CLOEXEC);
        return out[0] >= 0 && (files[1] < 0 || out[1] >= 0);
    }
    errno = EMFILE;
    return false;
}

static enum status make_copies(struct shim_file *file, const char *sibling, struct error *error) {
    GUARD_FD int wide = copy_file(file->path);
    GUARD_FD int narrow = wide >= 0 && file->for_32_bits ? copy_file(sibling) : -1;
    const int files[2] = {wide, narrow};
    if (wide < 0 || (file->for_32_bits && narrow < 0) || !number_copies(files, file->copies)) {
        return error_set(error, STATUS_SYS, "it cannot be copied into memory: %s", strerror(errno));
    }
    (void)snprintf(file->path, sizeof file->path, "/proc/%d/fd/%d", (int)getpid(), file->copies[0]);
    return STATUS_OK;
}

enum status shim_file_open(bool stealth, struct shim_file *out, struct error *error) {
    char sibling[SHIM_PATH_MAX];
    struct shim_file file = {.copies = {-1, -1}};
    *out = file;
    enum status status = find_path(file.path, error);
    if (status == STATUS_OK) {
        status = check_file(file.path, PROGRAM_GLIBC_64, error);
    }
    if (status == STATUS_OK && !stealth && strpbrk(file.path, SPECIAL) != NULL) {
        status = error_set(error, STATUS_UNSUPPORTED,
                           "%s: LD_PRELOAD cannot have a colon, a space or a dollar in a path",
                           file.path);
    }
    if (status == STATUS_OK) {
        file.for_32_bits = shim_path_of(file.path, PROGRAM_GLIBC_32, sibling) &&
                           shim_path_loads(sibling, PROGRAM_GLIBC_32);
    }
    if (status == STATUS_OK && stealth) {
        status = make_copies(&file, sibling, error);
    }
    if (status != STATUS_OK) {
        shim_file_close(&file);
        return status;
    }
    *out = file;
    return STATUS_OK;
}

void shim_file_close(struct shim_file *file) {
    for (unsigned i = 0; i < 2; i++) {
        guard_fd_close(&file->copies[i]);
        file->copies[i] = -1;
    }
    file->path[0] = '\0';
}

enum status shim_file_load(unsigned word_size, void **bytes, size_t *size, struct error *error) {
    enum program_loader loader = word_size == 4 ? PROGRAM_GLIBC_32 : PROGRAM_GLIBC_64;
    char found[SHIM_PATH_MAX];
    char path[SHIM_PATH_MAX];
    struct stat stat;
    enum status status = find_path(found, error);
    if (status == STATUS_OK && !shim_path_of(found, loader, path)) {
        status = error_set(error, STATUS_UNSUPPORTED, "%s: the path is too long", found);
    }
    if (status == STATUS_OK) {
        status = check_file(path, loader, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    GUARD_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0) {
        return error_set(error, STATUS_SYS, "%s: %s", path, strerror(errno));
    }
    GUARD_FREE char *memory = malloc((size_t)stat.st_size + 1);
    ssize_t done = memory == NULL ? 0 : read(fd, memory, (size_t)stat.st_size);
    if (memory == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    if (done != stat.st_size) {
        return error_set(error, STATUS_SYS, "%s cannot be read whole", path);
    }
    *bytes = memory;
    *size = (size_t)done;
    memory = NULL;
    return STATUS_OK;
}
