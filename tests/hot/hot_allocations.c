/* Samples a real program and counts what the sampling thread allocates once it has warmed up: it
 * may do so where names and lists of threads are read, twice a second, and nowhere else. Counts its
 * system calls, too: each tick makes one read of the target's memory and one wait, and in CPU mode
 * one read of each thread's clock; more only where that picture does not tell a thread's stack.
 *
 *     hot_allocations wall|cpu|spoilt INTERPRETER [WORD...]
 *
 * `spoilt` allocates, and reads once more, with each picture, and fails unless both are noticed.
 * The words are what leads to the interpreter where it takes another command to start it. */
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
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/service/code_loader.h"
#include "daemon/service/cpu_totals.h"
#include "daemon/service/sampler.h"
#include "daemon/service/thread_labels.h"
#include "daemon/service/thread_sampler.h"
#include "daemon/service/thread_table.h"
#include "daemon/snapshot/picture.h"

enum {
    WARM_UP_CPU_MS = 1500,
    WARM_UP_STEP_MS = 50,
    WARM_UP_MS_MAX = 60 * 1000,
    MEASURED_MS = 1500,
    KEPT_MIN = 500,
    START_MS = 30000, /* until a busy machine has an interpreter running, inside a root too */
    START_LOOK_MS = 50,
    WORDS_MAX = 8,
    THREADS = 3,     /* of the program */
    CALLS_EXTRA = 8, /* of each kind: ticks cut at both ends, spans that cannot be read any more */
};

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
static _Thread_local bool in_stack;
static atomic_bool measured;
static atomic_bool spoilt;
static atomic_ulong hot_allocations, cold_allocations;
static _Atomic(const char *) last_hot;
static atomic_ulong hot_reads, hot_preads, hot_waits, stack_calls;

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

static void call_note(atomic_ulong *count) {
    if (sampling && atomic_load(&measured) && cold == 0) {
        atomic_fetch_add(in_stack ? &stack_calls : count, 1);
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

#define COUNTED(result, function, parameters, arguments, count)                                    \
    result __real_##function parameters;                                                           \
    result __wrap_##function parameters;                                                           \
    result __wrap_##function parameters {                                                          \
        call_note(&(count));                                                                       \
        return __real_##function arguments;                                                        \
    }

COUNTED(ssize_t, process_vm_readv,
        (pid_t pid, const struct iovec *local, unsigned long local_count,
         const struct iovec *remote, unsigned long remote_count, unsigned long flags),
        (pid, local, local_count, remote, remote_count, flags), hot_reads)
COUNTED(ssize_t, pread, (int fd, void *out, size_t size, off_t at), (fd, out, size, at), hot_preads)
COUNTED(int, clock_nanosleep,
        (clockid_t clock, int flags, const struct timespec *request, struct timespec *remain),
        (clock, flags, request, remain), hot_waits)

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
                                 const struct py_layout *layout, struct thread_table *threads,
                                 bool all);
void __wrap_thread_labels_update(struct thread_labels *labels, const struct memory *memory,
                                 const struct py_layout *layout, struct thread_table *threads,
                                 bool all);
void __wrap_thread_labels_update(struct thread_labels *labels, const struct memory *memory,
                                 const struct py_layout *layout, struct thread_table *threads,
                                 bool all) {
    cold++;
    __real_thread_labels_update(labels, memory, layout, threads, all);
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

/* Code that a stack shows for the first time. */
enum status __real_code_loader_learn(struct code_loader *loader, uint64_t address, uint64_t now_ns);
enum status __wrap_code_loader_learn(struct code_loader *loader, uint64_t address, uint64_t now_ns);
enum status __wrap_code_loader_learn(struct code_loader *loader, uint64_t address,
                                     uint64_t now_ns) {
    cold++;
    enum status status = __real_code_loader_learn(loader, address, now_ns);
    cold--;
    return status;
}

/* From the picture to one thread's stack: reads what it lacks, but allocates nothing. */
enum status __real_thread_sampler_stack(struct thread_sampler *sampler,
                                        struct thread_record *record, const struct picture *picture,
                                        uint64_t now_ns);
enum status __wrap_thread_sampler_stack(struct thread_sampler *sampler,
                                        struct thread_record *record, const struct picture *picture,
                                        uint64_t now_ns);
enum status __wrap_thread_sampler_stack(struct thread_sampler *sampler,
                                        struct thread_record *record, const struct picture *picture,
                                        uint64_t now_ns) {
    in_stack = true;
    enum status status = __real_thread_sampler_stack(sampler, record, picture, now_ns);
    in_stack = false;
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
        char byte;
        struct iovec here = {.iov_base = &byte, .iov_len = 1};
        (void)!process_vm_readv(getpid(), &here, 1, &here, 1, 0);
    }
    return __real_picture_take(picture, first, memory);
}
/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */

static pid_t target_start(int count, char **words) {
    pid_t pid = fork();
    if (pid == 0) {
        char *command[WORDS_MAX + 4];
        char isolated[] = "-S";
        char code[] = "-c";
        int end = 0;
        while (end < count && end < WORDS_MAX) {
            command[end] = words[end];
            end++;
        }
        command[end++] = isolated;
        command[end++] = code;
        command[end++] = strdup(busy_program);
        command[end] = NULL;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execv(command[0], command);
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

/* `bad`: they were spoilt, which must be noticed. */
static bool judge_allocations(bool bad, uint64_t kept) {
    unsigned long hot = atomic_load(&hot_allocations);
    const char *function = atomic_load(&last_hot);
    (void)printf("%lu allocations, last by %s(), in %lu samples; %lu in cold corners\n", hot,
                 function == NULL ? "none" : function, (unsigned long)kept,
                 atomic_load(&cold_allocations));
    bool noticed = bad ? hot >= KEPT_MIN / THREADS : hot == 0;
    return noticed && kept >= KEPT_MIN && atomic_load(&cold_allocations) > 0;
}

static bool judge_calls(bool bad, bool cpu, const struct sampler_counts *before,
                        const struct sampler_counts *after) {
    unsigned long samples = after->kept + after->torn - before->kept - before->torn;
    unsigned long due = after->ticks - before->ticks;
    unsigned long ticks = samples / THREADS; /* those that were not missed */
    unsigned long reads = atomic_load(&hot_reads);
    unsigned long preads = atomic_load(&hot_preads);
    unsigned long waits = atomic_load(&hot_waits);
    (void)printf("%lu ticks: %lu reads, %lu looks at clocks, %lu waits; and %lu reads of what a "
                 "picture did not tell\n",
                 ticks, reads, preads, waits, atomic_load(&stack_calls));
    bool one_read = reads <= ticks + CALLS_EXTRA;
    bool one_look = preads <= (cpu ? samples : 0) + CALLS_EXTRA;
    return one_read != bad && one_look && waits <= due + CALLS_EXTRA;
}

/* Until the program has had its time to show all of itself: on a busy machine that takes longer. */
static void warm_up(const struct process *process) {
    uint64_t begun_ns = 0;
    bool runs = process_cpu_time(process, &begun_ns) == STATUS_OK;
    uint64_t used_ns = begun_ns;
    for (unsigned i = 0; runs && i < WARM_UP_MS_MAX / WARM_UP_STEP_MS &&
                         used_ns - begun_ns < UINT64_C(1000000) * WARM_UP_CPU_MS;
         i++) {
        sleep_ms(WARM_UP_STEP_MS);
        runs = process_cpu_time(process, &used_ns) == STATUS_OK;
    }
}

static int sample(const struct process *process, const struct runtime *runtime, const char *mode) {
    struct error error;
    struct handover *handover = NULL;
    struct sampler *sampler = NULL;
    pthread_t threads[2];
    const struct sampler_options options = {.interval_ns = 500000, .cpu = strcmp(mode, "cpu") == 0};
    if (handover_create(true, NULL, &handover) != STATUS_OK ||
        sampler_create(process, runtime, &options, handover, &sampler, &error) != STATUS_OK ||
        pthread_create(&threads[0], NULL, writing_thread, handover) != 0 ||
        pthread_create(&threads[1], NULL, sampling_thread, sampler) != 0) {
        (void)fprintf(stderr, "cannot start to sample\n");
        return 1;
    }
    warm_up(process);
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

    bool bad = strcmp(mode, "spoilt") == 0;
    bool allocations_right = judge_allocations(bad, after.kept - before.kept);
    bool calls_right = judge_calls(bad, options.cpu, &before, &after);
    return allocations_right && calls_right ? 0 : 1;
}

/* Opens the process once there is a Python in it. */
static enum status target_open(pid_t pid, struct process *process, struct runtime *runtime,
                               struct error *error) {
    enum status status = STATUS_GONE;
    for (int waited = 0; waited < START_MS; waited += START_LOOK_MS) {
        sleep_ms(START_LOOK_MS);
        status = process_open(pid, process, error);
        if (status != STATUS_OK) {
            continue;
        }
        status = runtime_locate(process, runtime, error);
        if (status == STATUS_OK) {
            status = runtime_check(process, runtime, error);
        }
        if (status == STATUS_OK) {
            return STATUS_OK;
        }
        process_close(process);
    }
    return status;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        (void)fprintf(stderr, "usage: hot_allocations wall|cpu|spoilt INTERPRETER [WORD...]\n");
        return 2;
    }
    struct error error;
    struct process process;
    struct runtime runtime;
    pid_t pid = target_start(argc - 2, argv + 2);
    int failed = 1;
    if (target_open(pid, &process, &runtime, &error) != STATUS_OK) {
        (void)fprintf(stderr, "%s\n", error.text);
    } else {
        failed = sample(&process, &runtime, argv[1]);
        process_close(&process);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return failed;
}
