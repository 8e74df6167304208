#include "common/program_name.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where execvp looks without a PATH: CS_PATH, and no longer the current folder (glibc 2.24). */
#define PATH_DEFAULT "/bin:/usr/bin"

/* What execvp would try to execute and not pass over. */
static bool is_candidate(const char *path) {
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

enum program_loader program_name_loader(const char *name) {
    char path[PATH_MAX];
    size_t name_size = strlen(name) + 1;
    if (strchr(name, '/') != NULL) {
        return program_file_loader(AT_FDCWD, name);
    }
    if (*name == '\0' || name_size > NAME_MAX + 1) {
        return PROGRAM_OTHER;
    }
    const char *at = getenv("PATH");
    for (at = at == NULL ? PATH_DEFAULT : at;; at++) {
        size_t length = strcspn(at, ":");
        if (length + 1 + name_size <= sizeof path) {
            memcpy(path, at, length);
            path[length] = '/';
            memcpy(path + length + (length > 0 ? 1 : 0), name, name_size);
            if (is_candidate(path)) {
                return program_file_loader(AT_FDCWD, path);
            }
        }
        at += length;
        if (*at == '\0') {
            return PROGRAM_OTHER;
        }
    }
}
