#include "daemon/service/scout.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/service/clock.h"
#include "daemon/service/notice.h"
#include "daemon/service/process_tree.h"
#include "daemon/service/read_watch.h"

#define YOUNG_NS (100 * CLOCK_NS_PER_MS) /* a program's first moments: looked at in every round */
#define LIVELY_NS CLOCK_NS_PER_S         /* after anything new in the tree */
#define YOUNG_PACE_NS (500 * CLOCK_NS_PER_US)
#define LIVELY_PACE_NS CLOCK_NS_PER_MS
#define QUIET_PACE_NS (4 * CLOCK_NS_PER_MS)
#define IDLE_NS (10 * CLOCK_NS_PER_S) /* nothing new for so long */
#define IDLE_PACE_NS (8 * CLOCK_NS_PER_MS)
#define FOUND_PACE_NS (50 * CLOCK_NS_PER_MS)
#define FAMILY_PACE_NS (20 * CLOCK_NS_PER_MS) /* looking for all, while nothing happens */
#define FAMILY_LIVELY_PACE_NS (5 * CLOCK_NS_PER_MS)
#define FORKED_NS (5 * CLOCK_NS_PER_MS) /* a fork that lives so long is no mere step to an exec */
#define LOOK_AGAIN_NS CLOCK_NS_PER_S    /* a grown-up program that seems unchanged */
#define TIMER_SLACK_NS 1000UL           /* the default, 50 us, would be a tenth of a pace */

enum {
    QUEUE_MAX = 64,
    DESCRIPTORS_EACH = 8, /* three of the tree's, two of the process, its file, and some to spare */
    RELEASED_MAX = PROCESS_TREE_MAX,
    COST_SHARE = 20, /* looks at one grown-up program take a 20th of the time */
    HINT_REST = 3,   /* times that a round took */
    END_PATIENCE_MS = 1000,
};

/* What the scout thinks of a process. */
struct opinion {
    uint64_t execs, pages; /* of the tree's node, when last looked at */
    uint64_t since_ns;     /* when this program was first seen */
    uint64_t looked_ns;    /* when it was last looked at */
    uint64_t next_ns;      /* not before then */
    uint64_t unseen_ns;    /* when there was no interpreter yet */
    bool opened;
    bool starting; /* a Python whose interpreter is not there yet */
    bool trouble;  /* one that cannot be profiled: so until it execs */
    bool told;     /* the one that was found, or the other one */
    bool refused;  /* -v has told that it may not be looked at */
    struct process process;
};

struct scout {
    bool all;
    int bell; /* borrowed */
    pthread_t thread;
    bool watching; /* there is the thread */
    int wake;      /* an eventfd, rung to end its sleep */
    int ended;     /* rung by it at its end */
    atomic_bool stop;
    _Atomic pid_t tid; /* of the thread */
    _Atomic uint64_t looking_since;
    _Atomic uint64_t hinted_ns;   /* when it was last told that there is something new */
    struct read_watch read_watch; /* the main thread's */

    /* Of whoever looks: the sampling thread, then ours. */
    struct process_tree *tree;
    struct python_find *found; /* where to put the first one; NULL once it is found */
    bool other;                /* another one was named */
    bool crowded;              /* it was told that there are too many */
    bool trouble;              /* one that cannot be profiled was named */
    uint64_t lively_until_ns;
    uint64_t last_round_ns;
    struct error told;   /* the last trouble; its text names the process */
    struct error denied; /* the last refusal to look at a process */

    pthread_mutex_t lock;                 /* of what follows */
    struct python_find queued[QUEUE_MAX]; /* found, and not taken yet */
    unsigned queued_count;
    pid_t released[RELEASED_MAX];
    unsigned released_count;
};

static void ring(int fd) {
    uint64_t one = 1;
    (void)!write(fd, &one, sizeof one);
}

static void opinion_forget(struct process_tree_node *node) {
    struct opinion *opinion = node->notes;
    if (opinion != NULL) {
        process_close(&opinion->process);
        free(opinion);
        node->notes = NULL;
    }
}

/* The opinion of a process, begun afresh if it is a program that was not seen before. */
static struct opinion *opinion_of(const struct scout *scout, struct process_tree_node *node,
                                  uint64_t now_ns) {
    struct opinion *opinion = node->notes;
    if (opinion == NULL) {
        opinion = calloc(1, sizeof *opinion);
        if (opinion == NULL) {
            return NULL;
        }
        opinion->process = PROCESS_NONE;
        opinion->unseen_ns = scout->last_round_ns;
        node->notes = opinion;
    }
    if (opinion->execs != node->execs && !opinion->told) {
        process_close(&opinion->process);
        opinion->process = PROCESS_NONE;
        opinion->opened = false;
        opinion->starting = false;
        opinion->trouble = false;
        node->cut = false;
        opinion->execs = node->execs;
        opinion->since_ns = now_ns;
        opinion->next_ns = now_ns;
    }
    return opinion;
}

static bool is_young(const struct opinion *opinion, uint64_t now_ns) {
    return !opinion->told && !opinion->trouble &&
           now_ns - opinion->since_ns < (opinion->starting ? LIVELY_NS : YOUNG_NS);
}

static bool is_due(const struct opinion *opinion, const struct process_tree_node *node,
                   uint64_t now_ns) {
    if (opinion->told || opinion->trouble || now_ns < opinion->next_ns) {
        return false;
    }
    return opinion->starting || is_young(opinion, now_ns) || opinion->pages != node->pages ||
           now_ns - opinion->looked_ns >= LOOK_AGAIN_NS;
}

static enum status look(struct opinion *opinion, pid_t pid, struct runtime *runtime,
                        struct error *error) {
    if (!opinion->opened) {
        enum status status = process_open(pid, &opinion->process, error);
        if (status != STATUS_OK) {
            return status;
        }
        opinion->opened = true;
    }
    return python_search_once(&opinion->process, runtime, error);
}

/* False when there is no room. */
static bool queue_put(struct scout *scout, const struct python_find *find) {
    (void)pthread_mutex_lock(&scout->lock);
    bool room = scout->queued_count < QUEUE_MAX;
    if (room) {
        scout->queued[scout->queued_count++] = *find;
    }
    (void)pthread_mutex_unlock(&scout->lock);
    if (room) {
        ring(scout->bell);
    }
    return room;
}

static void settle_found(struct scout *scout, struct process_tree_node *node,
                         struct opinion *opinion, const struct runtime *runtime) {
    const struct python_find find = {
        .process = opinion->process, .runtime = *runtime, .unseen_ns = opinion->unseen_ns};
    opinion->told = true;
    node->cut = !scout->all;
    if (scout->found != NULL) {
        *scout->found = find;
        scout->found = NULL;
        opinion->process = PROCESS_NONE;
    } else if (scout->all) {
        opinion->told = queue_put(scout, &find);
        opinion->process = opinion->told ? PROCESS_NONE : opinion->process;
    } else if (!scout->other) {
        scout->other = true;
        notice_say("process %d is another Python beside the one that is profiled; to profile both: "
                   "-C",
                   (int)node->pid);
    }
}

static void settle_trouble(struct scout *scout, struct process_tree_node *node,
                           struct opinion *opinion, const struct error *error) {
    opinion->trouble = true;
    node->cut = !scout->all;
    if (scout->found != NULL || scout->all) {
        scout->trouble = true;
        /* The tree may learn of an exec when the new program has been looked at already, which is
         * then looked at as another one. */
        if (strcmp(scout->told.text, error->text) != 0) {
            notice_say("not profiled: %s", error->text);
            scout->told = *error;
        }
    }
}

/* With `all`, once: that some processes are left out. */
static void tell_crowded(struct scout *scout, const char *why) {
    if (scout->all && !scout->crowded) {
        scout->crowded = true;
        notice_say("%s; some processes are left out", why);
    }
}

/* Looks at one process, if it is time to. */
static void examine(struct scout *scout, struct process_tree_node *node) {
    uint64_t now_ns = clock_now_ns();
    struct opinion *opinion = opinion_of(scout, node, now_ns);
    if (opinion == NULL || !is_due(opinion, node, now_ns)) {
        return;
    }
    if (scout->found == NULL && opinion->execs <= 1 && now_ns - opinion->since_ns < FORKED_NS) {
        return;
    }
    struct runtime runtime;
    struct error error = {.text = ""};
    enum status status = look(opinion, node->pid, &runtime, &error);
    uint64_t after_ns = clock_now_ns();
    opinion->looked_ns = now_ns;
    opinion->pages = node->pages;
    opinion->starting = status == STATUS_TORN;
    if (status == STATUS_OK) {
        settle_found(scout, node, opinion, &runtime);
        return;
    }
    if (status == STATUS_UNSUPPORTED) {
        settle_trouble(scout, node, opinion, &error);
        return;
    }
    if (status == STATUS_SYS || status == STATUS_NOMEM) {
        tell_crowded(scout, error.text);
    }
    if (status == STATUS_DENIED) {
        scout->denied = error;
        if (scout->all && !opinion->refused) {
            opinion->refused = true;
            notice_explain("%s", error.text);
        }
    }
    opinion->unseen_ns = now_ns;
    opinion->next_ns =
        is_young(opinion, now_ns) ? after_ns : after_ns + COST_SHARE * (after_ns - now_ns);
}

/* Forgets what was thought of processes that were released. */
static void take_released(struct scout *scout) {
    pid_t released[RELEASED_MAX];
    (void)pthread_mutex_lock(&scout->lock);
    unsigned count = scout->released_count;
    memcpy(released, scout->released, count * sizeof released[0]);
    scout->released_count = 0;
    (void)pthread_mutex_unlock(&scout->lock);
    for (unsigned i = 0; i < count; i++) {
        for (size_t j = 0; j < process_tree_count(scout->tree); j++) {
            struct process_tree_node *node = process_tree_node(scout->tree, j);
            if (node->pid == released[i]) {
                opinion_forget(node);
            }
        }
    }
}

/* One round over all processes; how long to sleep then. */
static uint64_t round_make(struct scout *scout, _Atomic uint64_t *looking_since) {
    uint64_t begun_ns = clock_now_ns();
    bool first = scout->found != NULL;
    bool young = false;
    if (process_tree_round(scout->tree, opinion_forget)) {
        scout->lively_until_ns = begun_ns + LIVELY_NS;
    }
    if (process_tree_is_short(scout->tree)) {
        tell_crowded(scout, "too many processes, or too few descriptors (ulimit -Hn)");
    }
    atomic_store(looking_since, begun_ns);
    for (size_t i = 0; i < process_tree_count(scout->tree); i++) {
        struct process_tree_node *node = process_tree_node(scout->tree, i);
        examine(scout, node);
        young |= node->notes != NULL && is_young(node->notes, begun_ns);
        if (first && scout->found == NULL) {
            break; /* no time to lose */
        }
    }
    atomic_store(looking_since, 0);
    scout->last_round_ns = begun_ns;
    const bool lively = begun_ns < scout->lively_until_ns;
    if (!first && scout->all) {
        if (young && begun_ns - atomic_load(&scout->hinted_ns) < YOUNG_NS) {
            return LIVELY_PACE_NS;
        }
        return lively ? FAMILY_LIVELY_PACE_NS : FAMILY_PACE_NS;
    }
    if (!first) {
        return FOUND_PACE_NS;
    }
    if (young) {
        return YOUNG_PACE_NS;
    }
    if (lively) {
        return LIVELY_PACE_NS;
    }
    return begun_ns < scout->lively_until_ns + IDLE_NS ? QUIET_PACE_NS : IDLE_PACE_NS;
}

enum status scout_find(struct scout *scout, const struct python_search *search,
                       struct python_find *out, struct error *error) {
    (void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0UL, 0UL, 0UL);
    scout->found = out;
    while (!atomic_load(search->stop)) {
        uint64_t sleep_ns = round_make(scout, search->looking_since);
        if (scout->found == NULL) {
            return STATUS_OK;
        }
        const struct timespec sleep = clock_timespec(sleep_ns);
        (void)nanosleep(&sleep, NULL);
    }
    if (scout->trouble) {
        return error_set(error, STATUS_ABSENT, "%s", "");
    }
    bool denied = *scout->denied.text != '\0';
    return error_set(error, STATUS_ABSENT, "no Python was found in the command%s%s",
                     denied ? "; one process could not be looked at: " : "",
                     denied ? scout->denied.text : "");
}

static void *watch(void *argument) {
    struct scout *scout = argument;
    atomic_store(&scout->tid, gettid());
    (void)pthread_setname_np(pthread_self(), "echion-scout");
    while (!atomic_load(&scout->stop) && !scout->other) {
        take_released(scout);
        const uint64_t begun_ns = clock_now_ns();
        const struct timespec sleep = clock_timespec(round_make(scout, &scout->looking_since));
        /* Not even hints without end are to make it look all the time. */
        const struct timespec rest = clock_timespec(HINT_REST * (clock_now_ns() - begun_ns));
        (void)nanosleep(&rest, NULL);
        struct pollfd wake = {.fd = scout->wake, .events = POLLIN};
        uint64_t rings;
        if (ppoll(&wake, 1, &sleep, NULL) == 1) {
            (void)!read(scout->wake, &rings, sizeof rings);
        }
    }
    ring(scout->ended);
    return NULL;
}

void scout_skip_root(struct scout *scout) {
    struct opinion *opinion = opinion_of(scout, process_tree_node(scout->tree, 0), clock_now_ns());
    if (opinion != NULL) {
        opinion->told = true;
    }
}

bool scout_hangs(struct scout *scout) {
    return scout->watching && read_watch_look(&scout->read_watch, atomic_load(&scout->tid),
                                              atomic_load(&scout->looking_since));
}

void scout_hint(struct scout *scout) {
    atomic_store(&scout->hinted_ns, clock_now_ns());
    ring(scout->wake);
}

void scout_stop(struct scout *scout) {
    atomic_store(&scout->stop, true);
    ring(scout->wake);
}

bool scout_take(struct scout *scout, struct python_find *out) {
    (void)pthread_mutex_lock(&scout->lock);
    bool any = scout->queued_count > 0;
    if (any) {
        *out = scout->queued[0];
        memmove(scout->queued, scout->queued + 1, --scout->queued_count * sizeof scout->queued[0]);
    }
    (void)pthread_mutex_unlock(&scout->lock);
    return any;
}

void scout_release(struct scout *scout, pid_t pid) {
    (void)pthread_mutex_lock(&scout->lock);
    if (scout->released_count < RELEASED_MAX) {
        scout->released[scout->released_count++] = pid;
    }
    (void)pthread_mutex_unlock(&scout->lock);
}

void scout_watch(struct scout *scout) {
    scout->watching = pthread_create(&scout->thread, NULL, watch, scout) == 0;
}

/* So many that there are descriptors left for what is done with them: with `all`, for a session
 * each. */
static size_t most_processes(bool all) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return PROCESS_TREE_MAX;
    }
    return (size_t)limit.rlim_cur / (all ? DESCRIPTORS_EACH : DESCRIPTORS_EACH / 2);
}

enum status scout_create(pid_t root, bool all, int bell, struct scout **out, struct error *error) {
    struct scout *scout = calloc(1, sizeof *scout);
    if (scout == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    scout->all = all;
    scout->bell = bell;
    (void)pthread_mutex_init(&scout->lock, NULL);
    scout->last_round_ns = clock_now_ns();
    scout->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    scout->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum status status =
        scout->wake < 0 || scout->ended < 0
            ? error_set(error, STATUS_SYS, "cannot make an eventfd: %s", strerror(errno))
            : process_tree_create(root, most_processes(all), &scout->tree, error);
    if (status != STATUS_OK) {
        (void)scout_destroy(scout);
        return status;
    }
    if (!process_tree_sees_children()) {
        notice_explain(
            "this kernel does not list a process's children (CONFIG_PROC_CHILDREN): only "
            "process %d itself is looked at, not what it starts",
            (int)root);
    }
    *out = scout;
    return STATUS_OK;
}

bool scout_destroy(struct scout *scout) {
    if (scout == NULL) {
        return true;
    }
    if (scout->watching) {
        struct pollfd ended = {.fd = scout->ended, .events = POLLIN};
        scout_stop(scout);
        if (poll(&ended, 1, END_PATIENCE_MS) != 1) {
            return false;
        }
        (void)pthread_join(scout->thread, NULL);
    }
    for (size_t i = 0; scout->tree != NULL && i < process_tree_count(scout->tree); i++) {
        opinion_forget(process_tree_node(scout->tree, i));
    }
    process_tree_destroy(scout->tree);
    for (struct python_find left; scout_take(scout, &left);) {
        process_close(&left.process);
    }
    (void)pthread_mutex_destroy(&scout->lock);
    guard_fd_close(&scout->wake);
    guard_fd_close(&scout->ended);
    free(scout);
    return true;
}
