/* floor: how fast this machine can copy another process's memory at all, or how cheaply. Makes
 * process_vm_readv calls of a given shape on a target, and prints, per window of half a second, how
 * many a second it got; with --every, that long apart as a sampler's ticks are, and prints what
 * they and the waiting took of a core, and how many ticks were not missed, in percent. Without a
 * shape it only waits. Nothing is done with what is copied: no sampler that reads so much, or so
 * often, can be faster or cheaper. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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
    long every_us; /* between two calls; 0: none */
    struct shape shape;
};

static double seconds_of(clockid_t clock) {
    struct timespec time;
    (void)clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double now(void) {
    return seconds_of(CLOCK_MONOTONIC);
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

/* The memory that is read, and where it goes. */
struct copy {
    pid_t pid;
    struct iovec local, remote[SPANS_MAX];
    size_t count;
};

static bool copy_once(const struct copy *copy) {
    if (copy->count > 0 && process_vm_readv(copy->pid, &copy->local, 1, copy->remote, copy->count,
                                            0) != (ssize_t)copy->local.iov_len) {
        perror("floor: process_vm_readv");
        return false;
    }
    return true;
}

/* Copies as fast as it can. */
static bool measure_rate(const struct copy *copy, double seconds) {
    double window = now();
    double end = window + seconds;
    unsigned long calls = 0;
    double time = window;
    while (time < end) {
        for (int i = 0; i < CALLS_PER_LOOK; ++i) {
            if (!copy_once(copy)) {
                return false;
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
    return true;
}

/* Copies once every so many microseconds; ticks that have gone by are not made up for. */
static bool measure_cost(const struct copy *copy, double seconds, long every_us) {
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    const int64_t every_ns = (int64_t)every_us * 1000;
    struct timespec begin;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    int64_t due_ns = begin.tv_sec * INT64_C(1000000000) + begin.tv_nsec;
    double window = now();
    const double end = window + seconds;
    double used = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    int64_t kept = 0;
    int64_t missed = 0;
    double time = window;
    while (time < end) {
        int64_t behind = ((int64_t)(time * 1e9) - due_ns) / every_ns;
        due_ns += (behind > 0 ? behind + 1 : 1) * every_ns;
        missed += behind > 0 ? behind : 0;
        kept++;
        struct timespec due = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000};
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        if (!copy_once(copy)) {
            return false;
        }
        if (time - window >= window_seconds) {
            double total = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
            (void)printf("%.3f %.3f\n", 100 * (total - used) / (time - window),
                         100 * (double)kept / (double)(kept + missed));
            window = time;
            used = total;
            kept = 0;
            missed = 0;
        }
        time = now();
    }
    return true;
}

static int measure(const struct options *options) {
    static struct region regions[REGIONS_MAX];
    static struct copy copy;
    copy = (struct copy){.pid = (pid_t)options->pid, .count = options->shape.count};
    size_t count = regions_find(copy.pid, regions);
    if (copy.count > 0 &&
        (count == 0 || !spans_place(&options->shape, regions, count, copy.remote))) {
        (void)fprintf(stderr, "floor: process %ld has not enough memory for this shape\n",
                      options->pid);
        return EXIT_FAILURE;
    }
    GUARD_FREE void *bytes = malloc(options->shape.bytes + 1);
    if (bytes == NULL) {
        (void)fputs("floor: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    copy.local = (struct iovec){bytes, options->shape.bytes};
    bool done = options->every_us > 0 ? measure_cost(&copy, options->seconds, options->every_us)
                                      : measure_rate(&copy, options->seconds);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool options_parse(int argc, char **argv, struct options *options) {
    static const struct option known[] = {
        {"pid", required_argument, NULL, 'p'},     {"shape", required_argument, NULL, 's'},
        {"seconds", required_argument, NULL, 'x'}, {"cpu", required_argument, NULL, 'c'},
        {"every", required_argument, NULL, 'e'},   {NULL, 0, NULL, 0},
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
        case 'e':
            options->every_us = strtol(optarg, NULL, 10);
            good = good && options->every_us > 0;
            break;
        case 'c':
            options->cpu = strtol(optarg, NULL, 10);
            break;
        default:
            good = false;
        }
    }
    return good && optind == argc && options->seconds >= window_seconds &&
           (options->every_us > 0 || options->shape.count > 0) &&
           (options->shape.count == 0 || options->pid > 0);
}

int main(int argc, char **argv) {
    static struct options options;
    if (!options_parse(argc, argv, &options)) {
        (void)fputs("usage: floor --pid PID --shape BYTES,BYTES,... [--seconds S] [--cpu N]\n"
                    "       floor --every MICROSECONDS [--pid PID --shape BYTES,BYTES,...] ...\n",
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
