/* floor: how fast this machine can copy another process's memory at all. Makes process_vm_readv
 * calls of a given shape on a target, one after another, and prints how many a second it got, per
 * window of half a second. Nothing is done with what they copy: no sampler that reads so much can
 * be faster. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common/guard.h"

enum { EXIT_USAGE = 64, SPANS_MAX = 1024, SPAN_BYTES_MAX = 1 << 20, REGIONS_MAX = 64 };
enum { CALLS_PER_LOOK = 32 }; /* at the clock */

static const double window_seconds = 0.5;

struct shape {
    size_t sizes[SPANS_MAX];
    size_t count, bytes;
};

struct region {
    uint64_t start, end;
};

struct options {
    long pid, cpu;
    double seconds;
    struct shape shape;
};

static double now(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool shape_parse(const char *text, struct shape *shape) {
    *shape = (struct shape){.count = 0};
    for (;;) {
        char *end;
        errno = 0;
        unsigned long size = strtoul(text, &end, 10);
        if (errno != 0 || end == text || size == 0 || size > SPAN_BYTES_MAX ||
            shape->count == SPANS_MAX) {
            return false;
        }
        shape->sizes[shape->count++] = size;
        shape->bytes += size;
        if (*end == '\0') {
            return true;
        }
        if (*end != ',') {
            return false;
        }
        text = end + 1;
    }
}

/* The target's private writable memory without a file: its heap, its arenas. */
static size_t regions_find(pid_t pid, struct region *regions) {
    char line[1024];
    (void)snprintf(line, sizeof line, "/proc/%d/maps", pid);
    GUARD_FILE FILE *maps = fopen(line, "re");
    size_t count = 0;
    while (maps != NULL && count < REGIONS_MAX && fgets(line, sizeof line, maps) != NULL) {
        uint64_t start, end, inode;
        char rights[5];
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %" SCNu64, &start, &end, rights,
                   &inode) == 4 &&
            strcmp(rights, "rw-p") == 0 && inode == 0 && strstr(line, "[stack") == NULL) {
            regions[count++] = (struct region){start, end};
        }
    }
    return count;
}

/* Spreads the spans over the regions, each at the beginning of pages of its own. */
static bool spans_place(const struct shape *shape, const struct region *regions, size_t count,
                        struct iovec *remote) {
    uint64_t used[REGIONS_MAX] = {0};
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    size_t next = 0;
    for (size_t i = 0; i < shape->count; ++i) {
        uint64_t needed = (shape->sizes[i] + page - 1) / page * page;
        size_t tried = 0;
        while (tried < count && regions[next].end - regions[next].start < used[next] + needed) {
            next = (next + 1) % count;
            ++tried;
        }
        if (tried == count) {
            return false;
        }
        remote[i].iov_base = (void *)(uintptr_t)(regions[next].start + used[next]);
        remote[i].iov_len = shape->sizes[i];
        used[next] += needed;
        next = (next + 1) % count;
    }
    return true;
}

static int measure(const struct options *options) {
    static struct region regions[REGIONS_MAX];
    static struct iovec remote[SPANS_MAX];
    size_t count = regions_find((pid_t)options->pid, regions);
    if (count == 0 || !spans_place(&options->shape, regions, count, remote)) {
        (void)fprintf(stderr, "floor: process %ld has not enough memory for this shape\n",
                      options->pid);
        return EXIT_FAILURE;
    }
    GUARD_FREE void *bytes = malloc(options->shape.bytes);
    if (bytes == NULL) {
        (void)fputs("floor: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    struct iovec local = {bytes, options->shape.bytes};
    double end = now() + options->seconds;
    double window = now();
    unsigned long calls = 0;
    double time = window;
    while (time < end) {
        for (int i = 0; i < CALLS_PER_LOOK; ++i) {
            if (process_vm_readv((pid_t)options->pid, &local, 1, remote, options->shape.count, 0) !=
                (ssize_t)options->shape.bytes) {
                perror("floor: process_vm_readv");
                return EXIT_FAILURE;
            }
        }
        calls += CALLS_PER_LOOK;
        if (time - window >= window_seconds) {
            (void)printf("%.1f\n", (double)calls / (time - window));
            window = time;
            calls = 0;
        }
        time = now();
    }
    return EXIT_SUCCESS;
}

static bool options_parse(int argc, char **argv, struct options *options) {
    static const struct option known[] = {
        {"pid", required_argument, NULL, 'p'},
        {"shape", required_argument, NULL, 's'},
        {"seconds", required_argument, NULL, 'x'},
        {"cpu", required_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    *options = (struct options){.cpu = -1, .seconds = 3};
    bool good = true;
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'p':
            options->pid = strtol(optarg, NULL, 10);
            break;
        case 's':
            good = good && shape_parse(optarg, &options->shape);
            break;
        case 'x':
            options->seconds = strtod(optarg, NULL);
            break;
        case 'c':
            options->cpu = strtol(optarg, NULL, 10);
            break;
        default:
            good = false;
        }
    }
    return good && optind == argc && options->pid > 0 && options->shape.count > 0 &&
           options->seconds >= window_seconds;
}

int main(int argc, char **argv) {
    static struct options options;
    if (!options_parse(argc, argv, &options)) {
        (void)fputs("usage: floor --pid PID --shape BYTES,BYTES,... [--seconds S] [--cpu N]\n",
                    stderr);
        return EXIT_USAGE;
    }
    if (options.cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET((size_t)options.cpu, &cpus);
        if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) {
            perror("floor: --cpu");
            return EXIT_FAILURE;
        }
    }
    return measure(&options);
}
