/* stopped: the ground truth for stacks and leaves. Stops one thread of a CPython at jittered
 * moments (PTRACE_INTERRUPT), reads its stack while nothing moves, lets it go on, and prints
 * collapsed stacks with their counts.
 *
 * It has to run on the core of the thread that it stops (--cpu). From another core the stop travels
 * as an interrupt of its own, which takes a microsecond in a virtual machine; a thread that enters
 * the kernel meanwhile is caught on its way out, and so functions that make system calls are seen
 * three to four times too often. On the same core the moment is that of the local timer, which
 * nothing in the thread attracts.
 *
 * With --running it does the same without stopping anything: the naive sampler, whose torn stacks
 * show that the oracle sees them. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/oracle/chase.h"
#include "tests/oracle/names.h"
#include "tests/oracle/subject.h"
#include "tests/oracle/tally.h"

enum { EXIT_USAGE = 64, BLOCKS = 20, STEPS_MAX = 200 };

struct options {
    long pid, tid, cpu;
    long samples;
    long gap_least, gap_most; /* microseconds between a resume and the next stop */
    bool running;
};

static struct chase chase;
static uint32_t stack[CHASE_FRAMES_MAX + 1];

static uint64_t random_next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void gap_sleep(const struct options *options, uint64_t *random) {
    uint64_t span = (uint64_t)(options->gap_most - options->gap_least) * 1000 + 1;
    uint64_t ns = (uint64_t)options->gap_least * 1000 + random_next(random) % span;
    struct timespec gap = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &gap, &gap) == EINTR) {
    }
}

/* Stops the thread; false when it has ended. A signal on its way is delivered first. */
static bool thread_stop(pid_t tid) {
    if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0) {
        return false;
    }
    for (;;) {
        int status;
        if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status)) {
            return false;
        }
        if (status >> 16 == PTRACE_EVENT_STOP) {
            return true;
        }
        if (ptrace(PTRACE_CONT, tid, NULL, (void *)(uintptr_t)WSTOPSIG(status)) != 0) {
            return false;
        }
    }
}

/* Lets the stopped thread execute one instruction; false when it has ended. */
static bool thread_step(pid_t tid) {
    int status;
    return ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL) == 0 &&
           waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status);
}

/* Reads the stack into `stack`, leaf first; false when the interpreter has not left it in order. */
static bool stack_read(struct subject *subject, struct names *names, uint32_t *count) {
    chase_stack(subject, &chase);
    names_begin(names);
    *count = 0;
    bool settled = chase.settled;
    for (uint32_t i = 0; i < chase.count; ++i) {
        uint32_t name = names_of_code(names, subject, chase.codes[i]);
        settled = settled && name != NAMES_INVALID;
        if (name != NAMES_NONE) {
            stack[(*count)++] = name;
        }
    }
    return settled;
}

/* About one stop in a thousand falls between two stores that belong together: then the thread goes
 * on, one instruction at a time, until its stack is in order. */
static enum status sample_take(const struct options *options, struct subject *subject,
                               struct names *names, struct tally *tally) {
    uint32_t count;
    bool settled = stack_read(subject, names, &count);
    for (int i = 0; !options->running && !settled && i < STEPS_MAX; ++i) {
        if (!thread_step(subject->tid)) {
            break;
        }
        settled = stack_read(subject, names, &count);
    }
    if (chase.broken || (!options->running && !settled)) {
        stack[count++] = NAMES_INVALID;
    }
    return tally_add(tally, stack, count);
}

static int samples_take(const struct options *options, struct subject *subject, struct names *names,
                        struct tally *tally) {
    uint64_t random = (uint64_t)time(NULL) * 2654435761u + (uint64_t)subject->tid + 1;
    long block = options->samples < BLOCKS ? 1 : options->samples / BLOCKS;
    long taken = 0;
    while (taken < options->samples) {
        gap_sleep(options, &random);
        if (!options->running && !thread_stop(subject->tid)) {
            break;
        }
        enum status status = sample_take(options, subject, names, tally);
        if (!options->running && ptrace(PTRACE_CONT, subject->tid, NULL, NULL) != 0) {
            break;
        }
        if (status != STATUS_OK) {
            (void)fputs("stopped: out of memory\n", stderr);
            return EXIT_FAILURE;
        }
        if (++taken % block == 0) {
            tally_flush(tally, names, subject->pid, subject->tid, stdout);
        }
    }
    tally_flush(tally, names, subject->pid, subject->tid, stdout);
    (void)printf("# samples: %ld\n", taken);
    if (taken < options->samples) {
        (void)fprintf(stderr, "stopped: thread %d ended after %ld samples\n", subject->tid, taken);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static int usage(void) {
    (void)fputs(
        "usage: stopped --pid PID [--tid TID] [--samples N] [--gap LEAST,MOST] [--cpu N] "
        "[--running]\n"
        "LEAST and MOST are microseconds between two stops (default 500,2000); --cpu names "
        "the thread's own core;\n--running never stops the thread, and wants another core.\n",
        stderr);
    return EXIT_USAGE;
}

static bool number_parse(const char *text, long *out) {
    char *end;
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out >= 0;
}

static bool options_parse(int argc, char **argv, struct options *options) {
    static const struct option known[] = {
        {"pid", required_argument, NULL, 'p'},
        {"tid", required_argument, NULL, 't'},
        {"samples", required_argument, NULL, 'n'},
        {"gap", required_argument, NULL, 'g'},
        {"cpu", required_argument, NULL, 'c'},
        {"running", no_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    *options =
        (struct options){.tid = -1, .cpu = -1, .samples = 1000, .gap_least = 500, .gap_most = 2000};
    bool good = true;
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'p':
            good = good && number_parse(optarg, &options->pid);
            break;
        case 't':
            good = good && number_parse(optarg, &options->tid);
            break;
        case 'n':
            good = good && number_parse(optarg, &options->samples);
            break;
        case 'g':
            good = good &&
                   sscanf(optarg, "%ld,%ld", &options->gap_least, &options->gap_most) == 2 &&
                   options->gap_least >= 0 && options->gap_most >= options->gap_least;
            break;
        case 'c':
            good = good && number_parse(optarg, &options->cpu);
            break;
        case 'r':
            options->running = true;
            break;
        default:
            good = false;
        }
    }
    if (options->tid < 0) {
        options->tid = options->pid;
    }
    return good && optind == argc && options->pid > 0;
}

/* With the right to, we take the core the moment that our timer rings; without it we wait for our
 * turn, which is as good a moment. */
static bool core_take(long cpu) {
    struct sched_param priority = {.sched_priority = 1};
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) {
        return false;
    }
    (void)sched_setscheduler(0, SCHED_FIFO, &priority);
    return true;
}

int main(int argc, char **argv) {
    struct options options;
    if (!options_parse(argc, argv, &options)) {
        return usage();
    }
    if (options.cpu >= 0 && !core_take(options.cpu)) {
        perror("stopped: --cpu");
        return EXIT_FAILURE;
    }
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    struct subject subject;
    struct error error;
    if (subject_find(&subject, (pid_t)options.pid, (pid_t)options.tid, &error) != STATUS_OK) {
        (void)fprintf(stderr, "stopped: %s\n", error.text);
        return EXIT_FAILURE;
    }
    struct names *names = NULL;
    struct tally *tally = NULL;
    if (names_create(&names) != STATUS_OK || tally_create(&tally) != STATUS_OK) {
        names_destroy(names);
        (void)fputs("stopped: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    int result = EXIT_FAILURE;
    if (options.running || ptrace(PTRACE_SEIZE, subject.tid, NULL, NULL) == 0) {
        result = samples_take(&options, &subject, names, tally);
    } else {
        perror("stopped: PTRACE_SEIZE");
    }
    tally_destroy(tally);
    names_destroy(names);
    return result;
}
