#include "daemon/inject/stop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "common/guard.h"
#include "daemon/inject/moment.h"
#include "daemon/target/proc_file.h"
#include "daemon/target/threads.h"

enum { PAUSE_NS = 20000, ROUNDS_MAX = 8, SEARCH_PAUSE_NS = 300000 };

struct stopping {
    pid_t tid;
    int moment; /* what moment_look reads; -1: has ended */
    bool seized;
    bool interrupted;
    bool stopped;
    int signal; /* that was being delivered when it stopped, and still has to be */
};

/* What the tracer works on; it alone touches it while it lives. */
struct tracer {
    const struct process *process;
    enum status (*work)(void *context);
    void *context;
    struct threads listed;
    struct stopping *threads; /* STOP_THREADS_MAX */
    size_t count;
    uint64_t stop_began; /* 0: nothing is stopped */
    struct stop_account account;
    enum status status;
    bool bad_moment; /* TORN, because of: */
    long bad_call;
    struct error error;
};

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void pause_ns(long ns) {
    struct timespec pause = {.tv_nsec = ns};
    (void)nanosleep(&pause, NULL);
}

static enum status tracer_fail(struct tracer *tracer, enum status status, const char *what) {
    return error_set(&tracer->error, status, "cannot stop process %d: %s; it was left running",
                     tracer->process->pid, what);
}

static bool is_known(const struct tracer *tracer, pid_t tid) {
    for (size_t i = 0; i < tracer->count; ++i) {
        if (tracer->threads[i].tid == tid) {
            return true;
        }
    }
    return false;
}

/* Whether somebody has stopped a thread, or traces it: that is not ours to disturb. GONE: it has
 * ended, which for a moment still shows. */
static enum status thread_is_free(struct tracer *tracer, pid_t tid) {
    char name[48];
    char text[4096];
    uint64_t by = 0;
    (void)snprintf(name, sizeof name, "task/%d/status", tid);
    enum status status = proc_file_read(tracer->process->dir, name, text, sizeof text, NULL);
    if (status != STATUS_OK) {
        return status == STATUS_ABSENT ? STATUS_GONE : status;
    }
    const char *field = proc_file_field(text, "TracerPid");
    if (field != NULL && proc_file_number(&field, 10, &by) && by != 0) {
        return tracer_fail(tracer, STATUS_DENIED, "a debugger has it");
    }
    field = proc_file_field(text, "State");
    if (field != NULL && (*field == 'T' || *field == 't')) {
        return tracer_fail(tracer, STATUS_TORN, "its user has stopped it");
    }
    return field != NULL && (*field == 'Z' || *field == 'X') ? STATUS_GONE : STATUS_OK;
}

static enum status thread_seize(struct tracer *tracer, pid_t tid) {
    struct stopping thread = {.tid = tid, .moment = -1};
    enum status status = thread_is_free(tracer, tid);
    if (status == STATUS_OK) {
        status = moment_open(tracer->process, tid, &thread.moment);
    }
    if (status == STATUS_GONE) {
        return STATUS_OK; /* it has just ended */
    }
    if (status != STATUS_OK) {
        return tracer->error.text[0] != '\0'
                   ? status
                   : tracer_fail(tracer, status, "/proc does not tell what its threads do");
    }
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0) {
        int reason = errno;
        guard_fd_close(&thread.moment);
        /* One that is just ending is EPERM (kernel/ptrace.c, ptrace_attach: exit_state). */
        if (reason == ESRCH || thread_is_free(tracer, tid) == STATUS_GONE) {
            return STATUS_OK;
        }
        return tracer_fail(tracer, status_from_errno(reason), strerror(reason));
    }
    thread.seized = true;
    tracer->threads[tracer->count++] = thread;
    return STATUS_OK;
}

/* Seizes what is new since the last list; `*added` says how many. Nothing stops by it. */
static enum status threads_seize(struct tracer *tracer, size_t *added) {
    size_t before = tracer->count;
    enum status status = threads_list(tracer->process, &tracer->listed);
    if (status != STATUS_OK) {
        return tracer_fail(tracer, status, "its threads cannot be listed");
    }
    /* Both are sorted by id in nearly every round; a few new ones are looked for one by one. */
    for (size_t i = 0; i < tracer->listed.count; ++i) {
        pid_t tid = tracer->listed.items[i].tid;
        bool known = (i < before && tracer->threads[i].tid == tid) || is_known(tracer, tid);
        if (!known && tracer->count == STOP_THREADS_MAX) {
            return tracer_fail(tracer, STATUS_NOMEM, "it has too many threads");
        }
        status = known ? STATUS_OK : thread_seize(tracer, tid);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *added = tracer->count - before;
    return STATUS_OK;
}

/* Whether a thread may be stopped now. TORN: not now. */
static enum status thread_look(struct tracer *tracer, struct stopping *thread) {
    enum moment moment = MOMENT_BAD;
    long call = -1;
    if (thread->moment < 0 || thread->stopped || thread->interrupted) {
        return STATUS_OK;
    }
    enum status status = moment_look(tracer->process, thread->moment, &moment, &call);
    if (status == STATUS_GONE) {
        guard_fd_close(&thread->moment);
        thread->moment = -1;
        return STATUS_OK;
    }
    if (status == STATUS_OK && moment != MOMENT_GOOD) {
        tracer->bad_moment = true;
        tracer->bad_call = call;
        return STATUS_TORN;
    }
    return status;
}

static enum status threads_look(struct tracer *tracer) {
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < tracer->count; ++i) {
        status = thread_look(tracer, &tracer->threads[i]);
    }
    return status;
}

/* Looks at each thread once more, and stops it. */
static enum status threads_interrupt(struct tracer *tracer) {
    for (size_t i = 0; i < tracer->count; ++i) {
        struct stopping *thread = &tracer->threads[i];
        enum status status = thread_look(tracer, thread);
        if (status != STATUS_OK) {
            return status;
        }
        if (thread->moment < 0 || thread->interrupted) {
            continue;
        }
        if (tracer->stop_began == 0) {
            tracer->stop_began = now_ns();
        }
        if (ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL) != 0 && errno != ESRCH) {
            return STATUS_SYS;
        }
        thread->interrupted = true;
    }
    return STATUS_OK;
}

/* Whether a thread has stopped, or ended. TORN: its user has stopped it in this moment. Nothing is
 * taken from the kernel by asking (WNOWAIT): the end of a child of ours is for whoever launched it.
 */
static enum status thread_wait(struct stopping *thread) {
    siginfo_t report = {.si_pid = 0};
    int got =
        waitid(P_PID, (id_t)thread->tid, &report, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL);
    if (got == 0 && report.si_pid == 0) {
        return STATUS_OK;
    }
    if (got != 0 || (report.si_code != CLD_TRAPPED && report.si_code != CLD_STOPPED)) {
        thread->stopped = true; /* it has ended: it does not run */
        thread->seized = false;
        return STATUS_OK;
    }
    int event = report.si_status >> 8;
    int signal = report.si_status & 0x7f;
    if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
        return STATUS_TORN;
    }
    thread->signal = event == 0 ? signal : 0;
    thread->stopped = true;
    return STATUS_OK;
}

static enum status threads_wait(struct tracer *tracer) {
    uint64_t end = tracer->stop_began + (uint64_t)STOP_WAIT_MS * 1000000U;
    for (;;) {
        size_t moving = 0;
        for (size_t i = 0; i < tracer->count; ++i) {
            struct stopping *thread = &tracer->threads[i];
            if (!thread->interrupted || thread->stopped) {
                continue;
            }
            enum status status = thread_wait(thread);
            if (status != STATUS_OK) {
                return tracer_fail(tracer, status, "its user has stopped it");
            }
            moving += !thread->stopped;
        }
        if (moving == 0) {
            return STATUS_OK;
        }
        if (now_ns() >= end) {
            return tracer_fail(tracer, STATUS_TORN, "not all threads came to a stop in time");
        }
        pause_ns(PAUSE_NS);
    }
}

/* Stops all, also those that were started meanwhile: once no listed thread runs, no other can come.
 */
static enum status threads_stop(struct tracer *tracer) {
    for (unsigned round = 0; round < ROUNDS_MAX; ++round) {
        size_t added = 0;
        enum status status = threads_interrupt(tracer);
        if (status == STATUS_OK) {
            status = threads_wait(tracer);
        }
        if (status == STATUS_OK) {
            status = threads_seize(tracer, &added);
        }
        if (status != STATUS_OK || added == 0) {
            return status;
        }
    }
    return tracer_fail(tracer, STATUS_TORN, "it starts threads faster than they can be stopped");
}

/* Lets all go. What has not stopped by now cannot be let go: the tracer's end does that. */
static void threads_release(struct tracer *tracer) {
    for (size_t i = 0; i < tracer->count; ++i) {
        struct stopping *thread = &tracer->threads[i];
        if (thread->seized && thread->stopped) {
            (void)ptrace(PTRACE_DETACH, thread->tid, NULL, (long)thread->signal);
        }
    }
    if (tracer->stop_began != 0) {
        tracer->account.stopped_ns = now_ns() - tracer->stop_began;
    }
    for (size_t i = 0; i < tracer->count; ++i) {
        guard_fd_close(&tracer->threads[i].moment);
        tracer->threads[i].moment = -1;
    }
}

/* One look for a good moment, and the stop if it is one. */
static enum status tracer_attempt(struct tracer *tracer) {
    size_t added = 0;
    tracer->bad_moment = false;
    ++tracer->account.attempts;
    enum status status = threads_seize(tracer, &added);
    if (status == STATUS_OK) {
        status = threads_look(tracer);
    }
    if (status == STATUS_OK) {
        status = threads_stop(tracer);
    }
    if (status == STATUS_OK) {
        tracer->account.threads = (unsigned)tracer->count;
        status = tracer->work(tracer->context);
    }
    return status;
}

/* Each thread that stops or goes on would take the processor from us before we come to the next, so
 * the target would stand still for longer the more others are busy. Where it is not allowed, it is
 * as it is. */
static void tracer_hurry(void) {
    struct sched_param first = {.sched_priority = 1};
    (void)sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first); /* this thread alone */
}

/* The tracer's life: looks until a moment is good, or one attempt has gone as far as to stop a
 * thread: an attempt that fails then is the last, so that nobody is stopped again and again. */
static void *tracer_run(void *argument) {
    struct tracer *tracer = argument;
    uint64_t end = now_ns() + (uint64_t)STOP_SEARCH_MS * 1000000U;
    tracer_hurry();
    for (;;) {
        tracer->status = tracer_attempt(tracer);
        if (tracer->status != STATUS_TORN || !tracer->bad_moment || tracer->stop_began != 0 ||
            now_ns() >= end) {
            break;
        }
        pause_ns(SEARCH_PAUSE_NS);
    }
    threads_release(tracer);
    return NULL;
}

static enum status tracer_explain(const struct tracer *tracer, struct error *error) {
    pid_t pid = tracer->process->pid;
    if (tracer->error.text[0] != '\0') {
        return error_set(error, tracer->status, "%s", tracer->error.text);
    }
    if (tracer->bad_moment) {
        return error_set(error, STATUS_TORN,
                         "a thread of process %d waits in a system call that would fail if it were "
                         "stopped (number %ld), and no better moment came; it was left running",
                         pid, tracer->bad_call);
    }
    return tracer->status;
}

enum status stop_run(const struct process *process, enum status (*work)(void *context),
                     void *context, struct stop_account *account, struct error *error) {
    struct tracer tracer = {.process = process, .work = work, .context = context};
    GUARD_FREE struct stopping *threads = calloc(STOP_THREADS_MAX, sizeof *threads);
    if (threads == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    tracer.threads = threads;
    pthread_t thread;
    int failure = pthread_create(&thread, NULL, tracer_run, &tracer);
    if (failure != 0) {
        return error_set(error, STATUS_SYS, "cannot start a thread: %s", strerror(failure));
    }
    (void)pthread_join(thread, NULL);
    threads_deinit(&tracer.listed);
    if (account != NULL) {
        *account = tracer.account;
    }
    return tracer_explain(&tracer, error);
}
