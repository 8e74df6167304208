#include "daemon/inject/handed_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/target/rights.h"

/* A folder for temporary files may be full of anything. */
enum { ENTRIES_MAX = 4096, MARK_MAX = 32 };

/* The usual ones first; each is taken only if it is safe. */
static const char *const folders[] = {"/tmp", "/dev/shm", "/var/tmp", "/run/lock"};

struct making {
    const struct process *process;
    const void *bytes;
    size_t size;
    struct handed_file file;
};

/* Whether only root and the owner can take a file of the owner's away or put another in its place.
 */
static bool folder_is_safe(int folder, uid_t uid) {
    struct stat stat;
    return fstat(folder, &stat) == 0 && (stat.st_uid == 0 || stat.st_uid == uid) &&
           ((stat.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (stat.st_mode & S_ISVTX) != 0);
}

static int folder_open(int root, const char *path) {
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve =
                               RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

static bool all_written(int fd, const struct making *making) {
    size_t done = 0;
    while (done < making->size) {
        ssize_t n = write(fd, (const char *)making->bytes + done, making->size - done);
        if (n <= 0) {
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

/* What the names of all files for one target begin with. */
static size_t mark_write(pid_t own_pid, char *out, size_t size) {
    return (size_t)snprintf(out, size, HANDED_FILE_MARK "%d-", (int)own_pid);
}

/* A file in one folder. It can be opened for reading only, by any descriptor but this one. */
static bool file_put(struct making *making, int root, const char *folder_path) {
    struct handed_file *file = &making->file;
    GUARD_FD int folder = folder_open(root, folder_path);
    char mark[MARK_MAX];
    uint64_t random[2];
    if (folder < 0 || !folder_is_safe(folder, file->uid) ||
        getrandom(random, sizeof random, 0) != sizeof random) {
        return false;
    }
    (void)mark_write(making->process->own_pid, mark, sizeof mark);
    (void)snprintf(file->path, sizeof file->path, "%s%s%016llx%016llx", folder_path, mark,
                   (unsigned long long)random[0], (unsigned long long)random[1]);
    const char *name = strrchr(file->path, '/') + 1;
    GUARD_FD int fd =
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR);
    if (fd < 0) {
        return false;
    }
    struct stat stat;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || !all_written(fd, making) || fstat(fd, &stat) != 0 ||
        stat.st_uid != file->uid) {
        (void)unlinkat(folder, name, 0);
        return false;
    }
    file->folder = guard_fd_take(&folder);
    file->fd = guard_fd_take(&fd);
    return true;
}

/* With the owner's rights. */
static void making_run(void *context) {
    struct making *making = context;
    GUARD_FD int root = openat(making->process->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; root >= 0 && i < sizeof folders / sizeof *folders; ++i) {
        if (file_put(making, root, folders[i])) {
            return;
        }
    }
}

/* Whether the target sees our processes by our numbers, and may look into our /proc/PID/fd. Its
 * /proc may be another's than that of its PID namespace; a target that then finds no such file says
 * so, and goes on. */
static bool target_sees_us(const struct process *process) {
    struct stat own;
    struct stat other;
    return process->uid == geteuid() && process->gid == getegid() &&
           stat("/proc/self/ns/pid", &own) == 0 &&
           fstatat(process->dir, "ns/pid", &other, 0) == 0 && own.st_ino == other.st_ino &&
           own.st_dev == other.st_dev;
}

static bool memfd_make(struct making *making) {
    GUARD_FD int fd = memfd_create("handed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || !all_written(fd, making) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        return false;
    }
    (void)snprintf(making->file.path, sizeof making->file.path, "/proc/%d" HANDED_FILE_OWN "%d",
                   getpid(), fd);
    making->file.fd = guard_fd_take(&fd);
    return true;
}

enum status handed_file_make(const struct process *process, const void *bytes, size_t size,
                             struct handed_file *out, struct error *error) {
    struct rights rights;
    enum status status = rights_read(process, &rights);
    if (status != STATUS_OK) {
        return error_set(error, status, "cannot read whose process %d is", process->pid);
    }
    struct making making = {
        .process = process, .bytes = bytes, .size = size, .file = HANDED_FILE_NONE};
    making.file.uid = rights.uid;
    status = rights_run(&rights, making_run, &making);
    if (making.file.folder < 0 && target_sees_us(process) && memfd_make(&making)) {
        status = STATUS_OK;
    }
    if (status != STATUS_OK) {
        return error_set(error, status, "cannot make a file with the rights of process %d",
                         process->pid);
    }
    if (making.file.fd < 0) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "process %d has no folder for temporary files in which we could leave it "
                         "something (/tmp, /dev/shm, /var/tmp)",
                         process->pid);
    }
    *out = making.file;
    return STATUS_OK;
}

/* Removes a file of the owner's on which nobody holds a lock any more; ours is on it meanwhile, so
 * that its maker does not believe that it has it. */
static void sweep_one(int folder, const char *name, uid_t uid) {
    GUARD_FD int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat stat;
    if (fd >= 0 && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_uid == uid &&
        flock(fd, LOCK_EX | LOCK_NB) == 0) {
        (void)unlinkat(folder, name, 0);
    }
}

/* A daemon that is just making one for the same target, and has not locked it yet, fails to. */
static void sweep_folder(int fd, uid_t uid, pid_t own_pid) {
    char mark[MARK_MAX];
    size_t length = mark_write(own_pid, mark, sizeof mark) - 1; /* without the slash */
    GUARD_DIR DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        guard_fd_close(&fd);
        return;
    }
    for (unsigned i = 0; i < ENTRIES_MAX; i++) {
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            return;
        }
        if (strncmp(entry->d_name, mark + 1, length) == 0) {
            sweep_one(fd, entry->d_name, uid);
        }
    }
}

struct sweeping {
    const struct process *process;
    uid_t uid;
};

/* With the owner's rights. */
static void sweeping_run(void *context) {
    const struct sweeping *sweeping = context;
    GUARD_FD int root = openat(sweeping->process->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; root >= 0 && i < sizeof folders / sizeof *folders; ++i) {
        GUARD_FD int folder = folder_open(root, folders[i]);
        if (folder >= 0 && folder_is_safe(folder, sweeping->uid)) {
            sweep_folder(guard_fd_take(&folder), sweeping->uid, sweeping->process->own_pid);
        }
    }
}

void handed_file_sweep(const struct process *process) {
    struct rights rights;
    if (rights_read(process, &rights) == STATUS_OK) {
        struct sweeping sweeping = {.process = process, .uid = rights.uid};
        (void)!rights_run(&rights, sweeping_run, &sweeping);
    }
}

static void removal_run(void *context) {
    const struct handed_file *file = context;
    (void)unlinkat(file->folder, strrchr(file->path, '/') + 1, 0);
}

void handed_file_remove(struct handed_file *file) {
    if (file->folder >= 0) {
        /* The target may be gone, and its rights with it; in a sticky folder the file's owner is
         * who may remove it. */
        struct rights rights = {.uid = file->uid, .gid = getegid()};
        if (rights_run(&rights, removal_run, file) != STATUS_OK) {
            removal_run(file);
        }
    }
    guard_fd_close(&file->folder);
    guard_fd_close(&file->fd);
    *file = HANDED_FILE_NONE;
}
