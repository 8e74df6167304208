#include "common/shim_path.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/guard.h"

static const char processes[] = "/proc/";

bool shim_path_is_descriptor(const char *path) {
    return strncmp(path, processes, sizeof processes - 1) == 0;
}

bool shim_path_of(const char *path, enum program_loader loader, char out[static SHIM_PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    size_t length = strlen(path);
    if ((loader != PROGRAM_GLIBC_64 && loader != PROGRAM_GLIBC_32) || slash == NULL ||
        length >= SHIM_PATH_MAX) {
        return false;
    }
    if (shim_path_is_descriptor(path)) {
        char last = path[length - 1];
        if (last < '0' || last > '9') {
            return false;
        }
        memcpy(out, path, length + 1);
        int pair = (last - '0') & ~1;
        out[length - 1] = (char)('0' + pair + (loader == PROGRAM_GLIBC_32 ? 1 : 0));
        return true;
    }
    const char *name = loader == PROGRAM_GLIBC_32 ? SHIM_NAME_32 : SHIM_NAME_64;
    size_t folder = (size_t)(slash + 1 - path);
    if (folder + strlen(name) >= SHIM_PATH_MAX) {
        return false;
    }
    memcpy(out, path, folder);
    memcpy(out + folder, name, strlen(name) + 1);
    return true;
}

bool shim_path_loads(const char *path, enum program_loader loader) {
    struct statfs mount;
    /* access() goes by the rights of a program that we start: without capabilities, which a
     * process that has just left root may have kept until then. */
    GUARD_FD int file = access(path, R_OK) == 0 ? program_file_open(AT_FDCWD, path) : -1;
    return file >= 0 && program_file_suits(file, loader) && fstatfs(file, &mount) == 0 &&
           ((unsigned long)mount.f_flags & ST_NOEXEC) == 0;
}
