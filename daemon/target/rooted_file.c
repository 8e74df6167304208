#include "daemon/target/rooted_file.h"

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

const char *rooted_file_path(const struct process *process, const char *path) {
    char root[PATH_MAX];
    ssize_t length = readlinkat(process->dir, "root", root, sizeof root);
    if (length > 1 && (size_t)length < sizeof root && strncmp(path, root, (size_t)length) == 0 &&
        path[length] == '/') {
        return path + length;
    }
    return path;
}

int rooted_file_find(const struct process *process, const char *path) {
    GUARD_FD int root = openat(process->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        return -1;
    }
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

int rooted_file_open(int found) {
    struct stat stat;
    if (fstat(found, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        errno = ENOENT;
        return -1;
    }
    char name[64];
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", found);
    return open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}
