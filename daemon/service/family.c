#include "daemon/service/family.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/service/clock.h"
#include "daemon/service/notice.h"
#include "daemon/service/recorder.h"
#include "daemon/service/scout.h"

enum { MEMBERS_MAX = 256 }; /* at once: each has two threads at least */

struct member {
    struct session *session; /* NULL: a free place */
    bool watched;            /* its end_bell is */
};

struct family {
    const struct options *options;
    pid_t root;
    bool launched;
    int bell;  /* an eventfd: rung by sessions, their recorders, and the scout */
    int wakes; /* an epoll of the bell, and of the processes' ends */
    struct scout *scout;
    bool scouting; /* the scout looks for others */
    bool stopping;
    bool crowded; /* somebody was told that there are too many */
    bool stuck;   /* a thread of an ended session hangs for good */
    uint64_t exposed_until_ns;
    struct member members[MEMBERS_MAX];
    bool first_over; /* members[0].session has been the first process's until then */
    struct family_result result;
    unsigned late_count;
    struct sampler_counts counts; /* of the sessions that have ended */
    char output_name[256];

    /* With -C, if the output's name is one for all. */
    struct output_file *output;
    struct recorder *recorder;
    atomic_bool settled;
    bool recorder_over;
};

static bool names_each(const struct options *options) {
    return strstr(options->output, "%(pid)") != NULL;
}

static enum status make_bells(struct family *family, struct error *error) {
    family->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    family->wakes = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = family->bell}};
    if (family->bell < 0 || family->wakes < 0 ||
        epoll_ctl(family->wakes, EPOLL_CTL_ADD, family->bell, &event) != 0) {
        return error_set(error, STATUS_SYS, "cannot make an eventfd: %s", strerror(errno));
    }
    return STATUS_OK;
}

static enum status start_recorder(struct family *family, struct output_file *output,
                                  struct error *error) {
    family->output = output;
    const struct recorder_plan plan = {.options = family->options,
                                       .output = &family->output,
                                       .settled = &family->settled,
                                       .several = true,
                                       .bell = family->bell};
    return recorder_start(&plan, &family->recorder, error);
}

/* The first session, with its output if there is not one for all. */
static enum status start_first(struct family *family, bool launched, struct output_file *output,
                               struct error *error) {
    const struct session_plan plan = {.options = family->options,
                                      .bell = family->bell,
                                      .pid = family->root,
                                      .scout = launched ? family->scout : NULL,
                                      .output = output,
                                      .recorder = family->recorder};
    return session_start(&plan, &family->members[0].session, error);
}

enum status family_start(const struct options *options, pid_t pid, bool launched,
                         struct output_file *output, struct family **out, struct error *error) {
    struct family *family = calloc(1, sizeof *family);
    if (family == NULL) {
        output_file_destroy(output);
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    family->options = options;
    family->root = pid;
    family->launched = launched;
    family->bell = -1;
    family->wakes = -1;
    enum status status = make_bells(family, error);
    if (status == STATUS_OK && (launched || options->children)) {
        status = scout_create(pid, options->children, family->bell, &family->scout, error);
    }
    if (status == STATUS_OK && options->children && !names_each(options)) {
        status = start_recorder(family, output, error);
        output = NULL;
    }
    if (status == STATUS_OK) {
        status = start_first(family, launched, output, error);
        output = NULL;
    }
    if (status != STATUS_OK) {
        output_file_destroy(output);
        if (family->recorder != NULL) {
            struct error ignored;
            recorder_seal(family->recorder);
            (void)recorder_join(family->recorder, &ignored);
        }
        (void)family_destroy(family);
        return status;
    }
    if (options->children && !launched) {
        scout_skip_root(family->scout);
    }
    *out = family;
    return STATUS_OK;
}

int family_bell(const struct family *family) {
    return family->wakes;
}

uint64_t family_due_ns(const struct family *family) {
    bool exposed = family->exposed_until_ns != 0 && !family->stopping;
    uint64_t due_ns = exposed ? family->exposed_until_ns : UINT64_MAX;
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        if (family->members[i].session != NULL) {
            uint64_t session_ns = session_due_ns(family->members[i].session);
            due_ns = session_ns < due_ns ? session_ns : due_ns;
        }
    }
    return due_ns;
}

void family_stop(struct family *family) {
    family->stopping = true;
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        if (family->members[i].session != NULL) {
            session_stop(family->members[i].session);
        }
    }
}

void family_give_up(struct family *family) {
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        if (family->members[i].session != NULL) {
            session_give_up(family->members[i].session);
        }
    }
    family->recorder_over = true;
}

void family_counts(struct family *family, struct sampler_counts *out) {
    *out = family->counts;
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        if (family->members[i].session != NULL) {
            struct sampler_counts counts;
            session_counts(family->members[i].session, &counts);
            sampler_counts_add(out, &counts);
        }
    }
}

static struct member *free_place(struct family *family) {
    for (unsigned i = 1; i < MEMBERS_MAX; i++) {
        if (family->members[i].session == NULL) {
            return &family->members[i];
        }
    }
    return NULL;
}

static void note_late(struct family *family, pid_t pid) {
    char *list = family->result.found_late;
    size_t used = strlen(list);
    size_t room = sizeof family->result.found_late - used;
    if (room > sizeof ", 4194304 and 4294967295 more") {
        (void)snprintf(list + used, room, "%s%d", used == 0 ? "" : ", ", (int)pid);
        family->late_count = 0;
    } else {
        family->late_count++;
    }
}

/* Starts the session of a process that was found. */
static void join(struct family *family, struct member *member, struct python_find *find) {
    pid_t pid = find->process.pid;
    struct error error = {.text = ""};
    struct output_file *output = NULL;
    enum status status = STATUS_OK;
    if (family->recorder == NULL) {
        const enum output_format *format =
            family->options->format_given ? &family->options->format : NULL;
        status = output_file_open(family->options->output, format, pid, &output, &error);
    }
    if (status == STATUS_OK) {
        const struct session_plan plan = {.options = family->options,
                                          .bell = family->bell,
                                          .pid = pid,
                                          .found = find,
                                          .output = output,
                                          .recorder = family->recorder};
        status = session_start(&plan, &member->session, &error);
    }
    if (status != STATUS_OK) {
        notice_say("process %d is not profiled: %s", (int)pid, error.text);
        process_close(&find->process);
        return;
    }
    member->watched = false;
    note_late(family, pid);
}

static void take_found(struct family *family) {
    struct python_find find;
    while (family->scouting && !family->stopping) {
        struct member *place = free_place(family);
        if (place == NULL && !family->crowded) {
            family->crowded = true;
            notice_say("%d processes are profiled at once; others wait until one of them ends",
                       MEMBERS_MAX);
        }
        if (place == NULL || !scout_take(family->scout, &find)) {
            return;
        }
        join(family, place, &find);
    }
}

/* What came of one process, added to what came of all. */
static void result_add(struct family *family, const struct session_result *result, bool first) {
    struct family_result *all = &family->result;
    if (first) {
        all->first = *result;
        (void)snprintf(family->output_name, sizeof family->output_name, "%s", result->output);
        all->first.output = family->output_name;
    } else {
        all->first.started |= result->started;
        bool failed = result->writing != STATUS_OK && result->writing != STATUS_GONE &&
                      result->writing != STATUS_ABSENT;
        if (failed) {
            all->first.writing = result->writing;
            all->first.writing_error = result->writing_error;
        } else if (all->first.writing == STATUS_ABSENT) {
            all->first.writing = result->writing;
        }
        if (result->status != STATUS_OK) {
            (result->stuck ? notice_say : notice_explain)("%s", result->error.text);
        }
    }
    all->first.stuck |= result->stuck;
    all->processes += result->started ? 1 : 0;
    sampler_counts_add(&family->counts, &result->counts);
}

static void part(struct family *family, struct member *member) {
    const bool first = member == &family->members[0];
    const pid_t pid = session_pid(member->session);
    struct session_result result;
    session_end(member->session, &result);
    result_add(family, &result, first);
    session_destroy(member->session);
    member->session = NULL;
    family->stuck |= result.stuck;
    if (first) {
        family->first_over = true;
    }
    /* It has ended, or has become another program. */
    if (family->options->children && (result.status == STATUS_OK || result.status == STATUS_GONE)) {
        scout_release(family->scout, pid);
    }
}

static void watch_end(struct family *family, struct member *member) {
    int fd = session_end_bell(member->session);
    if (!member->watched && fd >= 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.fd = fd}};
        member->watched = epoll_ctl(family->wakes, EPOLL_CTL_ADD, fd, &event) == 0;
    }
}

/* Whether the first process was found, but nothing of it could be profiled. */
static bool is_pointless(const struct family *family) {
    return family->first_over && family->result.first.status != STATUS_OK &&
           !family->result.first.started;
}

/* Whether all there is to profile has come to its end. */
static bool is_over(const struct family *family) {
    if (family->first_over && (!family->options->children || !family->launched)) {
        return true;
    }
    return is_pointless(family) ||
           (family->recorder != NULL && recorder_has_failed(family->recorder));
}

static void see_to_members(struct family *family) {
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        struct member *member = &family->members[i];
        if (member->session == NULL) {
            continue;
        }
        if (session_tick(member->session)) {
            watch_end(family, member);
        } else {
            part(family, member);
        }
    }
}

static void see_to_first(struct family *family) {
    const struct session *first = family->members[0].session;
    bool found = first == NULL || session_has_found(first);
    if (family->scout != NULL && found && !family->scouting && !is_pointless(family)) {
        family->scouting = true;
        scout_watch(family->scout);
    }
    bool started = first == NULL ? family->result.first.started : session_has_started(first);
    if (started) {
        atomic_store(&family->settled, true);
        if (family->exposed_until_ns == 0 && family->options->exposure_ns != 0) {
            family->exposed_until_ns = clock_now_ns() + family->options->exposure_ns;
        }
    }
}

static bool any_left(const struct family *family) {
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        if (family->members[i].session != NULL) {
            return true;
        }
    }
    return false;
}

bool family_tick(struct family *family) {
    uint64_t rings = 0;
    struct epoll_event ignored[16];
    (void)!read(family->bell, &rings, sizeof rings);
    (void)epoll_wait(family->wakes, ignored, 16, 0); /* edges that have been seen */
    see_to_first(family);
    take_found(family);
    if (family->exposed_until_ns != 0 && !family->stopping &&
        clock_now_ns() >= family->exposed_until_ns) {
        notice_explain("finishing: the exposure is over");
        family_stop(family);
    }
    see_to_members(family);
    if (!family->stopping && is_over(family)) {
        family_stop(family);
    }
    if (!family->stopping || any_left(family)) {
        return true;
    }
    if (family->recorder != NULL && !family->recorder_over) {
        recorder_seal(family->recorder);
        return !recorder_is_done(family->recorder);
    }
    return false;
}

void family_end(struct family *family, struct family_result *out) {
    struct session_result *first = &family->result.first;
    if (family->recorder != NULL && !recorder_is_done(family->recorder)) {
        first->stuck = true;
        first->writing =
            error_set(&first->writing_error, STATUS_SYS,
                      "%s takes no more data; the profile is cut short", first->output);
    } else if (family->recorder != NULL) {
        first->writing = recorder_join(family->recorder, &first->writing_error);
        (void)snprintf(family->output_name, sizeof family->output_name, "%s",
                       output_file_name(family->output));
    } else if (family->result.processes > 1) {
        first->output = family->options->output;
    }
    family->stuck |= first->stuck;
    first->counts = family->counts;
    if (family->late_count > 0) {
        size_t used = strlen(family->result.found_late);
        (void)snprintf(family->result.found_late + used, sizeof family->result.found_late - used,
                       " and %u more", family->late_count);
    }
    *out = family->result;
}

bool family_destroy(struct family *family) {
    if (family == NULL) {
        return true;
    }
    bool free_of_threads = !family->stuck;
    /* A session that hangs may do so in the scout. */
    if (!scout_destroy(family->scout) || !free_of_threads) {
        return false;
    }
    recorder_destroy(family->recorder);
    output_file_destroy(family->output);
    guard_fd_close(&family->bell);
    guard_fd_close(&family->wakes);
    free(family);
    return true;
}
