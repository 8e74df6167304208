/* guard: scope guards, which release what a block owns however the block is left. Each guard
 * accepts the "nothing owned" value (-1 for descriptors, NULL for pointers). To hand ownership on,
 * take the value with the matching _take function, which leaves "nothing owned" behind. */
#ifndef ECHION_COMMON_GUARD_H
#define ECHION_COMMON_GUARD_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void guard_fd_close(const int *fd) {
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

static inline int guard_fd_take(int *fd) {
    int taken = *fd;
    *fd = -1;
    return taken;
}

static inline void guard_memory_free(void *slot) {
    free(*(void **)slot);
}

static inline void guard_file_close(FILE **file) {
    if (*file != NULL) {
        (void)fclose(*file);
    }
}

static inline void guard_dir_close(DIR **dir) {
    if (*dir != NULL) {
        (void)closedir(*dir);
    }
}

#define GUARD_FD __attribute__((cleanup(guard_fd_close)))
#define GUARD_FREE __attribute__((cleanup(guard_memory_free)))
#define GUARD_FILE __attribute__((cleanup(guard_file_close)))
#define GUARD_DIR __attribute__((cleanup(guard_dir_close)))

#endif
