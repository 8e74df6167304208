/* Samples a real program and counts what the sampling thread allocates once it has warmed up: it
 * may do so where names and lists of threads are read, twice a second, and nowhere else.
 *
 *     hot_allocations INTERPRETER wall|cpu|spoilt
 *
 * `spoilt` allocates in the read of each picture, and fails unless that is noticed. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/service/cpu_totals.h"
#include "daemon/service/sampler.h"
#include "daemon/service/thread_labels.h"
#include "daemon/service/thread_table.h"
#include "daemon/snapshot/picture.h"

enum { WARM_UP_MS = 1500, MEASURED_MS = 1500, KEPT_MIN = 500 };

static const char busy_program[] =
    "import threading, time\n"
    "def inner(n): return n + 1\n"
    "def numbers(n):\n"
    "    for i in range(n): yield inner(i)\n"
    "def key(value): return -value\n"
    "def deep(n): return 0 if n == 0 else 1 + deep(n - 1)\n"
    "def caught(n):\n"
    "    try: [][n]\n"
    "    except IndexError: return inner(n)\n"
    "def work():\n"
    "    while True:\n"
    "        sum(numbers(50)); sorted(range(20), key=key); deep(30); caught(3)\n"
    "def rest():\n"
    "    while True: time.sleep(0.01)\n"
    "threading.Thread(target=work, daemon=True).start()\n"
    "threading.Thread(target=rest, daemon=True).start()\n"
    "work()\n";

static _Thread_local bool sampling;
static _Thread_local unsigned cold;
static atomic_bool measured;
static atomic_bool spoilt;
static atomic_ulong hot_allocations, cold_allocations;
static _Atomic(const char *) last_hot;

static void allocation_note(const char *function) {
    if (!sampling || !atomic_load(&measured)) {
        return;
    }
    if (cold > 0) {
        atomic_fetch_add(&cold_allocations, 1);
    } else {
        atomic_fetch_add(&hot_allocations, 1);
        atomic_store(&last_hot, function);
    }
}

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): as the linker asks */
#define WRAPPED(result, function, parameters, arguments)                                           \
    result __real_##function parameters;                                                           \
    result __wrap_##function parameters;                                                           \
    result __wrap_##function parameters {                                                          \
        allocation_note(#function);                                                                \
        return __real_##function arguments;                                                        \
    }

WRAPPED(void *, malloc, (size_t size), (size))
WRAPPED(void *, calloc, (size_t count, size_t size), (count, size))
WRAPPED(void *, realloc, (void *old, size_t size), (old, size))
WRAPPED(char *, strdup, (const char *text), (text))
WRAPPED(char *, strndup, (const char *text, size_t size), (text, size))
WRAPPED(ssize_t, getline, (char **line, size_t *size, FILE *file), (line, size, file))
WRAPPED(FILE *, fopen, (const char *path, const char *mode), (path, mode))
WRAPPED(FILE *, fdopen, (int fd, const char *mode), (fd, mode))
WRAPPED(DIR *, opendir, (const char *path), (path))
WRAPPED(DIR *, fdopendir, (int fd), (fd))
WRAPPED(int, vasprintf, (char **out, const char *format, va_list list), (out, format, list))
WRAPPED(void *, mmap, (void *at, size_t size, int rights, int flags, int fd, off_t offset),
        (at, size, rights, flags, fd, offset))

int __wrap_asprintf(char **out, const char *format, ...);
int __wrap_asprintf(char **out, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int size = __wrap_vasprintf(out, format, list);
    va_end(list);
    return size;
}

/* What follows is cold. */
void __real_thread_labels_update(struct thread_labels *labels, const struct memory *memory,
                                 const struct py_layout *layout, struct thread_table *threads);
void __wrap_thread_labels_update(struct thread_labels *labels, const struct memory *memory,
                                 const struct py_layout *layout, struct thread_table *threads);
void __wrap_thread_labels_update(struct thread_labels *labels, const struct memory *memory,
                                 const struct py_layout *layout, struct thread_table *threads) {
    cold++;
    __real_thread_labels_update(labels, memory, layout, threads);
    cold--;
}

void __real_cpu_totals_update(struct cpu_totals *totals, const struct threads *kernel,
                              struct thread_table *threads);
void __wrap_cpu_totals_update(struct cpu_totals *totals, const struct threads *kernel,
                              struct thread_table *threads);
void __wrap_cpu_totals_update(struct cpu_totals *totals, const struct threads *kernel,
                              struct thread_table *threads) {
    cold++;
    __real_cpu_totals_update(totals, kernel, threads);
    cold--;
}

enum status __real_thread_table_scan(struct thread_table *table, const struct memory *memory,
                                     const struct py_layout *layout, struct raddr runtime,
                                     uint64_t now_ns, bool *changed);
enum status __wrap_thread_table_scan(struct thread_table *table, const struct memory *memory,
                                     const struct py_layout *layout, struct raddr runtime,
                                     uint64_t now_ns, bool *changed);
enum status __wrap_thread_table_scan(struct thread_table *table, const struct memory *memory,
                                     const struct py_layout *layout, struct raddr runtime,
                                     uint64_t now_ns, bool *changed) {
    cold++;
    enum status status = __real_thread_table_scan(table, memory, layout, runtime, now_ns, changed);
    cold--;
    return status;
}

/* Hot; spoilt on demand. */
enum status __real_picture_take(struct picture *picture, uint32_t first,
                                const struct memory *memory);
enum status __wrap_picture_take(struct picture *picture, uint32_t first,
                                const struct memory *memory);
enum status __wrap_picture_take(struct picture *picture, uint32_t first,
                                const struct memory *memory) {
    if (atomic_load(&spoilt)) {
        void *volatile waste = malloc(1);
        free(waste);
    }
    return __real_picture_take(picture, first, memory);
}
/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */

static pid_t target_start(const char *interpreter) {
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execl(interpreter, interpreter, "-S", "-c", busy_program, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void sleep_ms(long ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

static void *sampling_thread(void *context) {
    struct error error;
    sampling = true;
    enum status status = sampler_run(context, &error);
    sampling = false;
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "sampling ended early: %s\n", error.text);
        exit(1);
    }
    return NULL;
}

/* Gives every batch back as soon as it comes. */
static void *writing_thread(void *context) {
    struct handover *handover = context;
    while (!handover_is_finished(handover)) {
        struct batch *batch = handover_wait_full(handover, UINT64_C(100000000));
        if (batch != NULL) {
            handover_give_back(handover, batch);
        }
    }
    return NULL;
}

static int sample(const struct process *process, const struct runtime *runtime, const char *mode) {
    struct error error;
    struct handover *handover = NULL;
    struct sampler *sampler = NULL;
    pthread_t threads[2];
    const struct sampler_options options = {.interval_ns = 500000, .cpu = strcmp(mode, "cpu") == 0};
    if (handover_create(true, &handover) != STATUS_OK ||
        sampler_create(process, runtime, &options, handover, &sampler, &error) != STATUS_OK ||
        pthread_create(&threads[0], NULL, writing_thread, handover) != 0 ||
        pthread_create(&threads[1], NULL, sampling_thread, sampler) != 0) {
        (void)fprintf(stderr, "cannot start to sample\n");
        return 1;
    }
    sleep_ms(WARM_UP_MS);
    struct sampler_counts before;
    struct sampler_counts after;
    atomic_store(&spoilt, strcmp(mode, "spoilt") == 0);
    sampler_counts(sampler, &before);
    atomic_store(&measured, true);
    sleep_ms(MEASURED_MS);
    atomic_store(&measured, false);
    sampler_counts(sampler, &after);
    sampler_stop(sampler);
    (void)pthread_join(threads[1], NULL);
    handover_close(handover);
    (void)pthread_join(threads[0], NULL);
    sampler_destroy(sampler);
    handover_destroy(handover);

    unsigned long hot = atomic_load(&hot_allocations);
    uint64_t kept = after.kept - before.kept;
    const char *function = atomic_load(&last_hot);
    (void)printf("%lu allocations, last by %s(), in %lu samples; %lu in cold corners\n", hot,
                 function == NULL ? "none" : function, (unsigned long)kept,
                 atomic_load(&cold_allocations));
    bool noticed = strcmp(mode, "spoilt") == 0 ? hot >= KEPT_MIN / 3 : hot == 0;
    return noticed && kept >= KEPT_MIN && atomic_load(&cold_allocations) > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        (void)fprintf(stderr, "usage: hot_allocations INTERPRETER wall|cpu|spoilt\n");
        return 2;
    }
    struct error error;
    struct process process;
    struct runtime runtime;
    pid_t pid = target_start(argv[1]);
    sleep_ms(500);
    int failed = 1;
    if (process_open(pid, &process, &error) != STATUS_OK) {
        (void)fprintf(stderr, "%s\n", error.text);
    } else {
        if (runtime_locate(&process, &runtime, &error) != STATUS_OK ||
            runtime_check(&process, &runtime, &error) != STATUS_OK) {
            (void)fprintf(stderr, "%s\n", error.text);
        } else {
            failed = sample(&process, &runtime, argv[2]);
        }
        process_close(&process);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return failed;
}
