#include "daemon/service/python_search.h"

#include "daemon/service/clock.h"
#include "daemon/service/notice.h"

#define FIRST_PATIENCE_NS (200 * CLOCK_NS_PER_MS) /* until a Python shows up */
#define START_PATIENCE_NS (3 * CLOCK_NS_PER_S)    /* until one that is there initialises */
#define FOLLOW_PATIENCE_NS (5 * CLOCK_NS_PER_S)   /* both, after an exec */
#define NONSENSE_PATIENCE_NS CLOCK_NS_PER_S       /* structures that contradict themselves */
#define BRISK_NS (100 * CLOCK_NS_PER_MS) /* so long a look every millisecond, then every ten */

static uint64_t patience(const struct python_search *search, enum status status) {
    switch (status) {
    case STATUS_ABSENT:
        return search->follow ? FOLLOW_PATIENCE_NS : FIRST_PATIENCE_NS;
    case STATUS_TORN:
        return search->follow ? FOLLOW_PATIENCE_NS : START_PATIENCE_NS;
    case STATUS_CORRUPT:
        return NONSENSE_PATIENCE_NS;
    default:
        return 0;
    }
}

/* Whether another look makes sense, once it is time for it. */
static bool look_again(const struct python_search *search, enum status status, uint64_t begun_ns) {
    uint64_t passed_ns = clock_now_ns() - begun_ns;
    if (status == STATUS_OK || passed_ns >= patience(search, status)) {
        return false;
    }
    const struct timespec pause =
        clock_timespec(passed_ns < BRISK_NS ? CLOCK_NS_PER_MS : 10 * CLOCK_NS_PER_MS);
    (void)nanosleep(&pause, NULL);
    return true;
}

enum status python_search_open(const struct python_search *search, pid_t pid, struct process *out,
                               struct error *error) {
    uint64_t begun_ns = clock_now_ns();
    for (;;) {
        atomic_store(search->looking_since, clock_now_ns());
        enum status status = process_open(pid, out, error);
        atomic_store(search->looking_since, 0);
        if (status != STATUS_TORN || !look_again(search, status, begun_ns)) {
            return status;
        }
        if (atomic_load(search->stop)) {
            return STATUS_TORN;
        }
    }
}

enum status python_search_run(const struct python_search *search, struct process *process,
                              struct runtime *out, struct error *error) {
    uint64_t begun_ns = clock_now_ns();
    for (;;) {
        atomic_store(search->looking_since, clock_now_ns());
        enum status status = process_note_program(process, error);
        if (status == STATUS_OK) {
            status = python_search_once(process, out, error);
        }
        atomic_store(search->looking_since, 0);
        if (!look_again(search, status, begun_ns) || atomic_load(search->stop)) {
            return status;
        }
    }
}

enum status python_search_once(const struct process *process, struct runtime *out,
                               struct error *error) {
    enum status status = runtime_locate(process, out, error);
    return status == STATUS_OK ? runtime_check(process, out, error) : status;
}

void python_search_explain(const struct process *process, const struct runtime *runtime) {
    char version[RUNTIME_VERSION_MAX];
    runtime_version_text(runtime, version, sizeof version);
    notice_explain(
        "process %d runs CPython %s (%u-bit%s); its runtime is at " PRIRADDR " in %s, found by %s",
        (int)process->pid, version, runtime->layout.word_size * 8U, runtime->jit ? ", JIT" : "",
        RADDR_ARG(runtime->address), runtime->image, runtime->found_by);
}
