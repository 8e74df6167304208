#include "daemon/target/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/guard.h"

/* Whether the process or thread behind a directory of /proc is no longer there. The directory then
 * has no files at all (fs/proc/base.c: proc_pident_lookup finds no task). */
static bool dir_is_dead(int dir) {
    return faccessat(dir, "stat", F_OK, 0) != 0;
}

enum status proc_file_read(int dir, const char *name, char *out, size_t capacity, size_t *size) {
    GUARD_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT && dir_is_dead(dir) ? STATUS_GONE : status_from_errno(errno);
    }
    size_t used = 0;
    while (used < capacity - 1) {
        ssize_t got = read(fd, out + used, capacity - 1 - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return status_from_errno(errno);
        }
        if (got == 0) {
            break;
        }
        used += (size_t)got;
    }
    out[used] = '\0';
    if (size != NULL) {
        *size = used;
    }
    return STATUS_OK;
}

const char *proc_file_field(const char *text, const char *key) {
    size_t length = strlen(key);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, length) == 0 && line[length] == ':') {
            line += length + 1;
            return line + strspn(line, " \t");
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return NULL;
}

static unsigned digit_value(char c) {
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (unsigned)(c - 'a') + 10;
    }
    return UINT8_MAX;
}

bool proc_file_number(const char **text, unsigned base, uint64_t *out) {
    const char *at = *text + strspn(*text, " \t");
    uint64_t value = 0;
    const char *first = at;
    for (unsigned digit; (digit = digit_value(*at)) < base; ++at) {
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value)) {
            return false;
        }
    }
    if (at == first) {
        return false;
    }
    *text = at;
    *out = value;
    return true;
}
