#include "daemon/service/family.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/service/clock.h"
#include "daemon/service/notice.h"
#include "daemon/service/read_watch.h"
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
    bool found;   /* the first process has been */
    bool blind;   /* the scout hangs */
    uint64_t scout_due_ns;
    uint32_t forks; /* that the shims have told of */
    bool stuck;     /* a thread of an ended session hangs for good */
    uint64_t exposed_until_ns;
    struct member members[MEMBERS_MAX];
    bool first_over; /* members[0].session has been the first process's until then */
    struct family_result result;
    pid_t *named; /* pids that a file of their own is named after */
    size_t named_count;

    /* With -C, if the output's name is one for all. */
    struct output_file *output;
    struct recorder *recorder;
    atomic_bool settled;
    bool recorder_over;
};

static bool names_each(const struct options *options) {
    return strstr(options->output, "%(pid)") != NULL;
}

/* Each process takes some descriptors. What a command that was started may open stays as it was. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
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
    if (options->children) {
        raise_descriptor_limit();
    }
    enum status status = make_bells(family, error);
    if (status == STATUS_OK && launched) {
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
    *out = family;
    return STATUS_OK;
}

int family_bell(const struct family *family) {
    return family->wakes;
}

uint64_t family_due_ns(const struct family *family) {
    bool exposed = family->exposed_until_ns != 0 && !family->stopping;
    uint64_t due_ns = clock_now_ns() + CLOCK_NS_PER_S;
    if (exposed && family->exposed_until_ns < due_ns) {
        due_ns = family->exposed_until_ns;
    }
    if (family->options->children && family->scouting && !family->blind &&
        family->scout_due_ns < due_ns) {
        due_ns = family->scout_due_ns;
    }
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
    if (family->options->children && family->scouting) {
        scout_stop(family->scout);
    }
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
    *out = family->result.first.counts;
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

/* Whether there is a session for that process: a number that comes again may be found before the
 * session of its last bearer has ended, and again when that is over. */
static bool is_member(const struct family *family, pid_t pid) {
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        const struct session *session = family->members[i].session;
        if (session != NULL && session_pid(session) == pid) {
            return true;
        }
    }
    return false;
}

/* With a file for each: whether there is none yet of that name. */
static bool name_is_new(struct family *family, pid_t pid) {
    for (size_t i = 0; i < family->named_count; i++) {
        if (family->named[i] == pid) {
            notice_say("process %d is a Python once more, and left out: its file has what was seen "
                       "of that number before",
                       (int)pid);
            return false;
        }
    }
    pid_t *named = realloc(family->named, (family->named_count + 1) * sizeof *named);
    if (named == NULL) {
        return false;
    }
    family->named = named;
    named[family->named_count++] = pid;
    return true;
}

/* Starts the session of a process that was found. */
static void join(struct family *family, struct member *member, struct python_find *find) {
    pid_t pid = find->process.pid;
    struct error error = {.text = ""};
    struct output_file *output = NULL;
    if (!family->launched) {
        find->unseen_ns = 0; /* it may have run long before we came */
    }
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
        const pid_t pid = find.process.pid;
        if (is_member(family, pid) || (family->recorder == NULL && !name_is_new(family, pid))) {
            process_close(&find.process);
        } else {
            join(family, place, &find);
        }
    }
}

static void part(struct family *family, struct member *member) {
    const bool first = member == &family->members[0];
    const pid_t pid = session_pid(member->session);
    struct session_result result;
    session_end(member->session, &result);
    if (!first && !result.reached) {
        family_result_note_late(&family->result, pid);
    }
    family_result_add(&family->result, &result, first);
    session_destroy(member->session);
    member->session = NULL;
    family->stuck |= result.stuck;
    if (first) {
        family->first_over = true;
    }
    if (result.left && family->scout != NULL && family->options->children) {
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

/* Whether all there is to profile has come to its end. */
static bool is_over(const struct family *family) {
    if (family->first_over && (!family->options->children || !family->launched)) {
        return true;
    }
    return family->recorder != NULL && recorder_has_failed(family->recorder);
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

/* Lets the scout look for others. */
static void start_scouting(struct family *family) {
    struct error error = {.text = ""};
    if (family->scout == NULL) {
        if (scout_create(family->root, true, family->bell, &family->scout, &error) != STATUS_OK) {
            notice_explain("%s", error.text);
            family->blind = true;
            return;
        }
        scout_skip_root(family->scout);
    }
    family->scouting = true;
    scout_watch(family->scout);
}

static void see_to_scout(struct family *family) {
    const bool wanted = family->launched || family->options->children;
    if (wanted && family->found && !family->scouting && !family->blind && !family->stopping) {
        start_scouting(family);
    }
    if (!family->options->children || !family->scouting || family->blind ||
        clock_now_ns() < family->scout_due_ns) {
        return;
    }
    family->scout_due_ns = clock_now_ns() + READ_WATCH_NS;
    if (scout_hangs(family->scout)) {
        family->blind = true;
        notice_say("the memory of one of the processes does not answer; no others are found any "
                   "more");
    }
}

/* Notes what has been found, what has started, and what the shims tell of children. */
static void look_at_members(struct family *family) {
    const struct session *first = family->members[0].session;
    family->found |= first != NULL && session_has_found(first);
    bool started = family->result.first.started;
    uint32_t forks = 0;
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        const struct session *session = family->members[i].session;
        started |= session != NULL && session_has_started(session);
        forks += session != NULL ? session_forks(session) : 0;
    }
    if (forks != family->forks && family->options->children && family->scouting) {
        scout_hint(family->scout);
    }
    family->forks = forks;
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
    look_at_members(family);
    see_to_scout(family);
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
    struct family_result *result = &family->result;
    struct session_result *first = &result->first;
    if (family->recorder == NULL) {
        family_result_join(result, family->options->output);
    } else if (recorder_is_done(family->recorder)) {
        first->writing = recorder_join(family->recorder, &first->writing_error);
        family_result_name(result, output_file_name(family->output));
    } else {
        first->stuck = true;
        first->writing =
            error_set(&first->writing_error, STATUS_SYS,
                      "%s takes no more data; the profile is cut short", first->output);
    }
    family->stuck |= first->stuck;
    *out = *result;
}

bool family_destroy(struct family *family) {
    if (family == NULL) {
        return true;
    }
    /* A session that hangs may do so in the scout. */
    if (family->stuck || !scout_destroy(family->scout)) {
        return false;
    }
    free(family->named);
    recorder_destroy(family->recorder);
    output_file_destroy(family->output);
    guard_fd_close(&family->bell);
    guard_fd_close(&family->wakes);
    free(family);
    return true;
}
