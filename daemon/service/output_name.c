#include "daemon/service/output_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char placeholder[] = "%(pid)";
enum { PLACEHOLDER_SIZE = sizeof placeholder - 1, PID_DIGITS_MAX = 10 };

char *output_name_expand(const char *pattern, pid_t pid) {
    size_t places = 0;
    for (const char *at = pattern; (at = strstr(at, placeholder)) != NULL; at += PLACEHOLDER_SIZE) {
        places++;
    }
    char *name = malloc(strlen(pattern) + places * PID_DIGITS_MAX + 1);
    if (name == NULL) {
        return NULL;
    }
    char *end = name;
    const char *at = pattern;
    for (const char *next; (next = strstr(at, placeholder)) != NULL; at = next + PLACEHOLDER_SIZE) {
        end = mempcpy(end, at, (size_t)(next - at));
        end += sprintf(end, "%d", (int)pid);
    }
    (void)memcpy(end, at, strlen(at) + 1);
    return name;
}

enum status output_name_format(const char *name, enum output_format *out, struct error *error) {
    const char *slash = strrchr(name, '/');
    const char *base = slash == NULL ? name : slash + 1;
    const char *dot = strrchr(base, '.');
    if (dot == NULL || dot == base || dot[1] == '\0') {
        *out = OUTPUT_FORMAT_AUSTIN;
        return STATUS_OK;
    }
    for (unsigned i = 0; i < output_format_count; i++) {
        if (strcmp(dot, output_formats[i].suffix) == 0) {
            *out = (enum output_format)i;
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_UNSUPPORTED,
                     "the suffix %s of the output names no format that we know: end the name in "
                     ".austin or .mojo, or say --format austin or --format mojo",
                     dot);
}

int output_name_descriptor(const char *name) {
    static const struct {
        const char *name;
        int fd;
    } fixed[] = {
        {"-", STDOUT_FILENO},
        {"/dev/stdout", STDOUT_FILENO},
        {"/dev/stderr", STDERR_FILENO},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (strcmp(name, fixed[i].name) == 0) {
            return fixed[i].fd;
        }
    }
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        size_t length = strlen(folders[i]);
        if (strncmp(name, folders[i], length) == 0) {
            const char *digits = name + length;
            size_t count = strspn(digits, "0123456789");
            if (count > 0 && count <= 6 && digits[count] == '\0') {
                return (int)strtol(digits, NULL, 10);
            }
        }
    }
    return -1;
}
