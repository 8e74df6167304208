#include "daemon/service/session.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/aggregate/handover.h"
#include "daemon/service/clock.h"
#include "daemon/service/notice.h"
#include "daemon/service/python_search.h"
#include "daemon/service/read_watch.h"
#include "daemon/service/recorder.h"
#include "daemon/service/scout.h"
#include "daemon/service/session_shim.h"

#define WARM_UP_MAX_NS (50 * CLOCK_NS_PER_MS)

struct session {
    const struct options *options;
    _Atomic pid_t pid;
    bool shared; /* the recorder is; else there is an output of our own */
    struct output_file *output;
    struct recorder *recorder;
    struct handover *handover;
    struct recorder_source *source;
    int bell;
    pthread_t thread;
    atomic_bool stop;

    /* The sampling thread's, until `sampled`. */
    struct scout *scout; /* borrowed; NULL: the process is `pid` */
    bool given;          /* `target` has been found by somebody else */
    struct python_find target;
    enum status status;
    struct error error;
    bool left;
    struct session_shim shim; /* what its link counts is read by the others, too */

    /* What it lets the others know. */
    _Atomic pid_t tid;
    _Atomic int end_bell;
    _Atomic uint64_t looking_since; /* 0: not looking for an interpreter */
    atomic_bool found;
    atomic_bool started;
    atomic_bool sampled;  /* it is about to end */
    pthread_mutex_t lock; /* of the two below */
    struct sampler *sampler;
    struct sampler_counts earlier; /* of samplers that have ended */

    /* The main thread's. */
    uint64_t due_ns;
    struct read_watch watch;
    bool given_up; /* the sampling thread does not come back */
    bool unread;   /* nor is the writing thread waited for */
    bool threads_explained;
};

static void ring(const struct session *session) {
    uint64_t one = 1;
    (void)!write(session->bell, &one, sizeof one);
}

void session_counts(struct session *session, struct sampler_counts *out) {
    struct sampler_counts now;
    (void)pthread_mutex_lock(&session->lock);
    *out = session->earlier;
    if (session->sampler != NULL) {
        sampler_counts(session->sampler, &now);
        sampler_counts_add(out, &now);
    }
    (void)pthread_mutex_unlock(&session->lock);
}

static void totals(void *owner, struct sampler_counts *out) {
    session_counts(owner, out);
}

/* The sampling thread. */

/* The codes that batches name go with the sampler, so what it handed over has to be written first;
 * unless the main thread gave this one up, and the recorder with it. */
static void wait_until_written(const struct session *session) {
    const struct timespec pause = clock_timespec(CLOCK_NS_PER_MS);
    while (handover_written(session->handover) != handover_given(session->handover) &&
           !recorder_has_written(session->source)) {
        (void)nanosleep(&pause, NULL);
    }
}

static enum status sample_program(struct session *session, struct error *error) {
    const struct sampler_options options = {
        .interval_ns = session->options->interval_ns,
        .cpu = session->options->cpu,
        /* a program that we launch is seen from its start,
         * and so is what a program starts */
        .warm_up_ns = session->options->pid != 0 && !session->given ? WARM_UP_MAX_NS : 0,
        .link = &session->shim.link};
    struct sampler *sampler = NULL;
    enum status status = sampler_create(&session->target.process, &session->target.runtime,
                                        &options, session->handover, &sampler, error);
    if (status != STATUS_OK) {
        return status;
    }
    session_shim_begin(&session->shim, &session->target, session->options, session->bell);
    (void)pthread_mutex_lock(&session->lock);
    session->sampler = sampler;
    (void)pthread_mutex_unlock(&session->lock);
    atomic_store(&session->started, true);
    if (atomic_load(&session->stop)) { /* by somebody who saw no sampler yet */
        sampler_stop(sampler);
    }
    ring(session);

    status = sampler_run(sampler, error);
    atomic_store(&session->looking_since, clock_now_ns()); /* its memory may not answer */
    session_shim_end(&session->shim);
    atomic_store(&session->looking_since, 0);

    char shape[256];
    sampler_describe(sampler, shape, sizeof shape);
    notice_explain("the last picture of process %d took spans of %s bytes", (int)session->pid,
                   shape);
    wait_until_written(session);
    struct sampler_counts counts;
    (void)pthread_mutex_lock(&session->lock);
    sampler_counts(sampler, &counts);
    sampler_counts_add(&session->earlier, &counts);
    session->sampler = NULL;
    (void)pthread_mutex_unlock(&session->lock);
    sampler_destroy(sampler);
    return status;
}

/* The process that was found is not the one that the output was opened for. */
static enum status fit_output(struct session *session, pid_t pid, struct error *error) {
    session->pid = pid;
    if (session->shared || strstr(session->options->output, "%(pid)") == NULL) {
        return STATUS_OK;
    }
    enum output_format format = output_file_format(session->output);
    output_file_destroy(session->output);
    session->output = NULL;
    return output_file_open(session->options->output, &format, pid, &session->output, error);
}

/* Finds the process and its interpreter. */
static enum status find(struct session *session, struct error *error) {
    const struct python_search search = {.stop = &session->stop,
                                         .looking_since = &session->looking_since};
    struct python_find *target = &session->target;
    enum status status = STATUS_OK;
    if (session->given) {
        notice_explain("process %d is profiled too", (int)session->pid);
    } else if (session->scout != NULL) {
        status = scout_find(session->scout, &search, target, error);
        if (status == STATUS_OK && target->process.pid != session->pid &&
            !atomic_load(&session->stop)) {
            status = fit_output(session, target->process.pid, error);
        }
    } else {
        status = python_search_open(&search, session->pid, &target->process, error);
        if (status == STATUS_OK) {
            status = python_search_run(&search, &target->process, &target->runtime, error);
        }
    }
    if (status == STATUS_OK) {
        atomic_store(&session->end_bell, target->process.pidfd);
        atomic_store(&session->found, true);
        ring(session);
    }
    return status;
}

/* Finds the interpreter of what the process has become by an exec. */
static enum status find_again(struct session *session, struct error *error) {
    const struct python_search search = {
        .stop = &session->stop, .looking_since = &session->looking_since, .follow = true};
    notice_explain("process %d has left its program: it ends, or runs another one, in which to "
                   "look for a Python",
                   (int)session->pid);
    enum status status =
        python_search_run(&search, &session->target.process, &session->target.runtime, error);
    if (status == STATUS_OK || status == STATUS_GONE || atomic_load(&session->stop)) {
        return status;
    }
    (session->given ? notice_explain
                    : notice_say)("the profile ends where process %d became another program: %s",
                                  (int)session->pid, error->text);
    return STATUS_GONE;
}

static enum status profile(struct session *session, struct error *error) {
    enum status status = find(session, error);
    while (status == STATUS_OK && !atomic_load(&session->stop)) {
        char version[RUNTIME_VERSION_MAX];
        runtime_version_text(&session->target.runtime, version, sizeof version);
        recorder_note(session->recorder, "python", version);
        python_search_explain(&session->target.process, &session->target.runtime);
        status = sample_program(session, error);
        if (status == STATUS_GONE && !atomic_load(&session->stop) &&
            process_alive(&session->target.process)) {
            status = find_again(session, error);
        }
    }
    if (status == STATUS_GONE && !atomic_load(&session->stop) &&
        !process_alive(&session->target.process)) {
        notice_explain("finishing: the process has ended");
    }
    return status;
}

/* An end of the process is how a profile ends, unless there is none yet. */
static enum status conclude(struct session *session, enum status status, struct error *error) {
    struct sampler_counts counts;
    session_counts(session, &counts);
    if (counts.start_ns != 0) {
        return status == STATUS_GONE || atomic_load(&session->stop) ? STATUS_OK : status;
    }
    if (!atomic_load(&session->stop) || (session->scout != NULL && status == STATUS_ABSENT)) {
        return status;
    }
    return process_alive(&session->target.process)
               ? STATUS_OK /* ended by a person */
               : error_set(error, STATUS_GONE,
                           "process %d ended before a sample of it could be taken",
                           (int)session->pid);
}

static void *run(void *argument) {
    struct session *session = argument;
    (void)pthread_setname_np(pthread_self(), "echion-sample");
    atomic_store(&session->tid, gettid());
    enum status status = profile(session, &session->error);
    session->left = status == STATUS_GONE;
    session->status = conclude(session, status, &session->error);
    atomic_store(&session->looking_since, 0);
    handover_close(session->handover);
    atomic_store(&session->sampled, true);
    ring(session);
    return NULL;
}

/* The main thread. */

static enum status start_recorder(struct session *session, struct error *error) {
    const struct recorder_plan plan = {.options = session->options,
                                       .output = &session->output,
                                       .settled = &session->found,
                                       .bell = session->bell};
    return recorder_start(&plan, &session->recorder, error);
}

static enum status start_threads(struct session *session, struct error *error) {
    struct recorder *recorder = session->recorder;
    if (handover_create(recorder_merges(recorder), recorder_bell(recorder), &session->handover) !=
        STATUS_OK) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    const struct recorder_feed feed = {.handover = session->handover,
                                       .gap_from_ns = &session->target.unseen_ns,
                                       .totals = totals,
                                       .owner = session};
    session->source = recorder_add(recorder, &feed);
    if (session->source == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    int failed = pthread_create(&session->thread, NULL, run, session);
    if (failed != 0) {
        handover_close(session->handover);
        return error_set(error, STATUS_SYS, "cannot start a thread: %s", strerror(failed));
    }
    return STATUS_OK;
}

/* After a start that failed. */
static void start_undo(struct session *session) {
    if (session->shared && session->source != NULL) {
        process_close(&session->target.process);
        return; /* The recorder has yet to see that its hand-over is closed: not worth a wait. */
    }
    if (session->recorder != NULL && !session->shared) {
        struct error ignored;
        recorder_seal(session->recorder);
        (void)recorder_join(session->recorder, &ignored);
    }
    session_destroy(session);
}

enum status session_start(const struct session_plan *plan, struct session **out,
                          struct error *error) {
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        output_file_destroy(plan->output);
        if (plan->found != NULL) {
            process_close(&plan->found->process);
        }
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    session->options = plan->options;
    session->pid = plan->pid;
    session->scout = plan->scout;
    session->output = plan->output;
    session->recorder = plan->recorder;
    session->shared = plan->recorder != NULL;
    session->given = plan->found != NULL;
    session->target.process = PROCESS_NONE;
    if (plan->found != NULL) {
        session->target = *plan->found;
        plan->found->process = PROCESS_NONE;
    }
    session->bell = plan->bell;
    session->due_ns = clock_now_ns() + READ_WATCH_NS;
    atomic_store(&session->end_bell, -1);
    (void)pthread_mutex_init(&session->lock, NULL);
    enum status status = session->shared ? STATUS_OK : start_recorder(session, error);
    if (status == STATUS_OK) {
        status = start_threads(session, error);
    }
    if (status != STATUS_OK) {
        start_undo(session);
        return status;
    }
    if (!session->shared) {
        recorder_seal(session->recorder);
    }
    *out = session;
    return STATUS_OK;
}

pid_t session_pid(const struct session *session) {
    return session->pid;
}

bool session_has_started(const struct session *session) {
    return atomic_load(&session->started);
}

bool session_has_found(const struct session *session) {
    return atomic_load(&session->found);
}

uint32_t session_forks(const struct session *session) {
    return atomic_load(&session->shim.link.forks);
}

int session_end_bell(const struct session *session) {
    return atomic_load(&session->stop) ? -1 : atomic_load(&session->end_bell);
}

uint64_t session_due_ns(const struct session *session) {
    return session->due_ns;
}

void session_stop(struct session *session) {
    atomic_store(&session->stop, true);
    (void)pthread_mutex_lock(&session->lock);
    if (session->sampler != NULL) {
        sampler_stop(session->sampler);
    }
    (void)pthread_mutex_unlock(&session->lock);
}

void session_give_up(struct session *session) {
    session->unread = true;
}

/* When the read or the look began that the sampling thread is at; 0 if there is none. */
static uint64_t read_under_way(struct session *session) {
    uint64_t since_ns = atomic_load(&session->looking_since);
    if (since_ns == 0) {
        (void)pthread_mutex_lock(&session->lock);
        since_ns = session->sampler != NULL ? sampler_read_since(session->sampler) : 0;
        (void)pthread_mutex_unlock(&session->lock);
    }
    return since_ns;
}

static void watch_memory(struct session *session) {
    if (read_watch_look(&session->watch, atomic_load(&session->tid), read_under_way(session))) {
        session->given_up = true;
        session_stop(session);
        handover_close(session->handover);
    }
}

/* Why it is time to finish; NULL if it is not. */
static const char *reason_to_stop(const struct session *session) {
    struct pollfd ended = {.fd = atomic_load(&session->end_bell), .events = POLLIN};
    if (ended.fd >= 0 && poll(&ended, 1, 0) == 1) {
        return "the process has ended";
    }
    return recorder_has_failed(session->recorder) ? "the output takes no more" : NULL;
}

/* Once: how many threads there are. */
static void explain_threads(struct session *session) {
    struct sampler_counts counts;
    session_counts(session, &counts);
    if (counts.start_ns != 0) {
        session->threads_explained = true;
        notice_explain("sampling process %d: %" PRIu64 " thread%s so far", (int)session->pid,
                       counts.threads, counts.threads == 1 ? "" : "s");
    }
}

bool session_tick(struct session *session) {
    uint64_t now_ns = clock_now_ns();
    session_shim_say(&session->shim, session->pid);
    if (atomic_load(&session->started) && !session->threads_explained) {
        explain_threads(session);
    }
    if (!atomic_load(&session->stop)) {
        const char *reason = reason_to_stop(session);
        if (reason != NULL) {
            notice_explain("finishing: %s", reason);
            session_stop(session);
        }
    }
    if (now_ns >= session->due_ns) {
        session->due_ns = now_ns + READ_WATCH_NS;
        if (!atomic_load(&session->sampled) && !session->given_up) {
            watch_memory(session);
        }
    }
    bool sampling = !atomic_load(&session->sampled) && !session->given_up;
    bool writing = session->shared ? !recorder_has_written(session->source)
                                   : !recorder_is_done(session->recorder);
    return (sampling || writing) && !session->unread;
}

static enum status explain_silence(const struct session *session, struct error *error) {
    static const char reason[] = "something that serves its pages (userfaultfd, a FUSE or network "
                                 "file system) hangs";
    if (session->scout != NULL && !atomic_load(&session->found)) {
        return error_set(error, STATUS_TORN,
                         "the memory of one of the command's processes does not answer: %s",
                         reason);
    }
    return error_set(error, STATUS_TORN, "the memory of process %d does not answer: %s",
                     (int)session->pid, reason);
}

void session_end(struct session *session, struct session_result *out) {
    *out = (struct session_result){.started = atomic_load(&session->started),
                                   .output = session->output != NULL
                                                 ? output_file_name(session->output)
                                                 : session->options->output,
                                   .stuck = session->given_up || session->unread};
    if (session->given_up) {
        out->status = explain_silence(session, &out->error);
    } else if (!session->unread) {
        (void)pthread_join(session->thread, NULL);
        out->status = session->status;
        out->left = session->left;
        out->reached = atomic_load(&session->shim.reached);
        out->error = session->error;
    }
    session_counts(session, &out->counts);
    if (session->unread) {
        out->writing = error_set(&out->writing_error, STATUS_SYS,
                                 "%s takes no more data; the profile is cut short", out->output);
        return;
    }
    if (session->shared) {
        out->writing = STATUS_OK;
        return;
    }
    out->writing = recorder_join(session->recorder, &out->writing_error);
    if (session->given_up && out->writing == STATUS_ABSENT) {
        out->output = session->options->output;
        output_file_destroy(session->output); /* the thread that hangs looks at it no more */
        session->output = NULL;
    }
}

void session_destroy(struct session *session) {
    if (session->given_up || session->unread) {
        return;
    }
    if (!session->shared) {
        recorder_destroy(session->recorder);
    }
    handover_destroy(session->handover);
    output_file_destroy(session->output);
    process_close(&session->target.process);
    (void)pthread_mutex_destroy(&session->lock);
    free(session);
}
