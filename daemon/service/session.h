/* session: the profile of one process, from finding its interpreter until all is written.
 *
 * Three threads: the main thread, which owns the session and calls everything here; a sampling
 * thread, which opens the process, finds the interpreter, samples, and follows the process into
 * other Pythons that it execs; and the writing thread of a recorder, the session's own or one that
 * several share. What blocks in the target's memory blocks the sampling thread only: the session
 * then gives it up, lets the file be finished, and is stuck. Cold. */
#ifndef ECHION_DAEMON_SERVICE_SESSION_H
#define ECHION_DAEMON_SERVICE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/service/options.h"
#include "daemon/service/output_file.h"
#include "daemon/service/python_search.h"
#include "daemon/service/recorder.h"
#include "daemon/service/sampler.h"
#include "daemon/service/scout.h"

struct session;

/* What to profile, and where to. */
struct session_plan {
    const struct options *options; /* must outlive it */
    int bell;                      /* an eventfd: rung when session_tick has something to do */
    pid_t pid;
    struct scout *scout;       /* borrowed: the process is the one that this finds; or NULL */
    struct python_find *found; /* taken over, also on failure: it is this one; or NULL */
    /* One of the two. The output, opened for `pid`, is taken over, also on failure; if the scout
     * finds another process, and the output's name has the pid in it, it is put aside for one of
     * that process's. */
    struct output_file *output;
    struct recorder *recorder; /* borrowed */
};

struct session_result {
    bool started;        /* a sampler ran */
    bool left;           /* the process has ended, or become another program */
    bool reached;        /* the shim was in it before we were */
    enum status status;  /* of sampling; OK also when the process ended after it had started */
    struct error error;  /* an empty text: everything has been said */
    enum status writing; /* OK where that is the business of a recorder that was borrowed. ABSENT:
                            nothing was written, and the output not touched */
    struct error writing_error;
    const char *output; /* its name; valid until session_destroy */
    bool stuck;         /* a thread hangs for good: the caller leaves by _exit */
    struct sampler_counts counts;
};

/* Starts to profile. */
STATUS_CHECKED enum status session_start(const struct session_plan *plan, struct session **out,
                                         struct error *error);

/* Whether its interpreter has been found. */
bool session_has_found(const struct session *session);

/* The process that is profiled, once it has been found. */
pid_t session_pid(const struct session *session);

/* Whether a sampler has started. */
bool session_has_started(const struct session *session);

/* How often the shim has told that the process forked or was about to exec; grows. */
uint32_t session_forks(const struct session *session);

/* Readable when the process has ended; -1 while that is not known or no longer of interest. */
int session_end_bell(const struct session *session);

/* CLOCK_MONOTONIC when session_tick is to be called at the latest. */
uint64_t session_due_ns(const struct session *session);

/* Sees to what is due: the process's end, a failed output, memory that does not answer. False once
 * the session is over and to be ended. Never blocks. */
bool session_tick(struct session *session);

/* Asks it to finish. `session_tick` says when it has. */
void session_stop(struct session *session);

/* After session_stop: does not wait for the output's reader any longer. */
void session_give_up(struct session *session);

/* The counts so far. */
void session_counts(struct session *session, struct sampler_counts *out);

/* Once session_tick has said false: what came of it. */
void session_end(struct session *session, struct session_result *out);

/* After session_end: releases everything; nothing if it is stuck. */
void session_destroy(struct session *session);

#endif
