#include "daemon/service/scout.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/service/clock.h"
#include "daemon/service/notice.h"
#include "daemon/service/process_tree.h"
#include "daemon/service/python_search.h"

#define YOUNG_NS (100 * CLOCK_NS_PER_MS) /* a program's first moments: looked at in every round */
#define LIVELY_NS CLOCK_NS_PER_S         /* after anything new in the tree */
#define YOUNG_PACE_NS (500 * CLOCK_NS_PER_US)
#define LIVELY_PACE_NS CLOCK_NS_PER_MS
#define QUIET_PACE_NS (4 * CLOCK_NS_PER_MS)
#define FOUND_PACE_NS (50 * CLOCK_NS_PER_MS)
#define LOOK_AGAIN_NS CLOCK_NS_PER_S /* a grown-up program that seems unchanged */
#define END_PATIENCE_NS CLOCK_NS_PER_S

enum { NEWS_MAX = 16, COST_SHARE = 20 }; /* looks at one grown-up program take a 20th of the time */

/* What the scout thinks of a process. */
struct opinion {
    uint64_t execs, pages; /* of the tree's node, when last looked at */
    uint64_t since_ns;     /* when this program was first seen */
    uint64_t looked_ns;    /* when it was last looked at */
    uint64_t next_ns;      /* not before then */
    uint64_t unseen_ns;    /* when there was no interpreter yet */
    bool opened;
    bool settled;  /* a Python that was told of */
    bool trouble;  /* one that cannot be profiled: so until it execs */
    bool starting; /* a Python whose interpreter is not there yet */
    struct process process;
};

struct scout {
    pthread_t thread;
    struct process_tree *tree; /* the thread's */
    bool found;
    bool other;
    uint64_t lively_until_ns;
    uint64_t last_round_ns;

    atomic_bool stop;
    int wake; /* rung to end the thread's sleep */
    int bell;

    pthread_mutex_t lock; /* of the rest */
    struct scout_news news[NEWS_MAX];
    unsigned news_count;
    struct error denied;
};

static void ring(int fd) {
    uint64_t one = 1;
    (void)!write(fd, &one, sizeof one);
}

static void tell(struct scout *scout, const struct scout_news *news) {
    (void)pthread_mutex_lock(&scout->lock);
    bool fits = scout->news_count < NEWS_MAX;
    if (fits) {
        scout->news[scout->news_count++] = *news;
    }
    (void)pthread_mutex_unlock(&scout->lock);
    ring(scout->bell);
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
    if (opinion->execs != node->execs && !opinion->settled) {
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

static bool is_due(const struct opinion *opinion, const struct process_tree_node *node,
                   uint64_t now_ns) {
    if (opinion->settled || opinion->trouble || now_ns < opinion->next_ns) {
        return false;
    }
    return opinion->starting || now_ns - opinion->since_ns < YOUNG_NS ||
           opinion->pages != node->pages || now_ns - opinion->looked_ns >= LOOK_AGAIN_NS;
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

static void settle_found(struct scout *scout, struct process_tree_node *node,
                         struct opinion *opinion, const struct runtime *runtime) {
    struct scout_news news = {.pid = node->pid};
    opinion->settled = true;
    node->cut = true;
    if (!scout->found) {
        scout->found = true;
        news.topic = SCOUT_FOUND;
        news.find = (struct session_find){
            .process = opinion->process, .runtime = *runtime, .unseen_ns = opinion->unseen_ns};
        opinion->process = PROCESS_NONE;
    } else if (!scout->other) {
        scout->other = true;
        news.topic = SCOUT_OTHER;
    } else {
        return;
    }
    tell(scout, &news);
}

static void settle_trouble(struct scout *scout, struct process_tree_node *node,
                           struct opinion *opinion, const struct error *error) {
    const struct scout_news news = {.topic = SCOUT_TROUBLE, .pid = node->pid, .error = *error};
    opinion->trouble = true;
    node->cut = true;
    tell(scout, &news);
}

/* Looks at one process, if it is time to. */
static void examine(struct scout *scout, struct process_tree_node *node) {
    uint64_t now_ns = clock_now_ns();
    struct opinion *opinion = opinion_of(scout, node, now_ns);
    if (opinion == NULL || !is_due(opinion, node, now_ns)) {
        return;
    }
    struct runtime runtime;
    struct error error = {.text = ""};
    enum status status = look(opinion, node->pid, &runtime, &error);
    uint64_t after_ns = clock_now_ns();
    opinion->looked_ns = now_ns;
    opinion->pages = node->pages;
    opinion->starting = false;
    switch (status) {
    case STATUS_OK:
        settle_found(scout, node, opinion, &runtime);
        return;
    case STATUS_UNSUPPORTED:
        settle_trouble(scout, node, opinion, &error);
        return;
    case STATUS_TORN:
        opinion->starting = true;
        break;
    case STATUS_DENIED:
        (void)pthread_mutex_lock(&scout->lock);
        scout->denied = error;
        (void)pthread_mutex_unlock(&scout->lock);
        break;
    default:
        break;
    }
    opinion->unseen_ns = now_ns;
    bool young = now_ns - opinion->since_ns < (opinion->starting ? LIVELY_NS : YOUNG_NS);
    opinion->next_ns = young ? after_ns : after_ns + COST_SHARE * (after_ns - now_ns);
}

static uint64_t pace(const struct scout *scout, bool young, uint64_t now_ns) {
    if (scout->found) {
        return FOUND_PACE_NS;
    }
    if (young) {
        return YOUNG_PACE_NS;
    }
    return now_ns < scout->lively_until_ns ? LIVELY_PACE_NS : QUIET_PACE_NS;
}

/* One round over all processes; how long to sleep then. */
static uint64_t round_make(struct scout *scout) {
    uint64_t begun_ns = clock_now_ns();
    bool young = false;
    if (process_tree_round(scout->tree, opinion_forget)) {
        scout->lively_until_ns = begun_ns + LIVELY_NS;
    }
    for (size_t i = 0; i < process_tree_count(scout->tree); i++) {
        struct process_tree_node *node = process_tree_node(scout->tree, i);
        examine(scout, node);
        const struct opinion *opinion = node->notes;
        young |= opinion != NULL && !opinion->settled && !opinion->trouble &&
                 begun_ns - opinion->since_ns < (opinion->starting ? LIVELY_NS : YOUNG_NS);
    }
    scout->last_round_ns = begun_ns;
    return pace(scout, young, begun_ns);
}

static void *run(void *argument) {
    struct scout *scout = argument;
    (void)pthread_setname_np(pthread_self(), "echion-scout");
    (void)prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL,
                0UL); /* ns; 50 us would be a tenth of a pace */
    while (!atomic_load(&scout->stop) && !(scout->found && scout->other)) {
        const struct timespec sleep = clock_timespec(round_make(scout));
        struct pollfd wake = {.fd = scout->wake, .events = POLLIN};
        (void)ppoll(&wake, 1, &sleep, NULL);
    }
    for (size_t i = 0; i < process_tree_count(scout->tree); i++) {
        opinion_forget(process_tree_node(scout->tree, i));
    }
    return NULL;
}

static void scout_destroy(struct scout *scout) {
    struct scout_news news;
    while (scout_take(scout, &news)) {
        if (news.topic == SCOUT_FOUND) {
            process_close(&news.find.process);
        }
    }
    process_tree_destroy(scout->tree);
    guard_fd_close(&scout->wake);
    guard_fd_close(&scout->bell);
    (void)pthread_mutex_destroy(&scout->lock);
    free(scout);
}

enum status scout_start(pid_t root, struct scout **out, struct error *error) {
    struct scout *scout = calloc(1, sizeof *scout);
    if (scout == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    (void)pthread_mutex_init(&scout->lock, NULL);
    scout->last_round_ns = clock_now_ns();
    scout->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    scout->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum status status =
        scout->wake < 0 || scout->bell < 0
            ? error_set(error, STATUS_SYS, "cannot make an eventfd: %s", strerror(errno))
            : process_tree_create(root, &scout->tree, error);
    if (status == STATUS_OK) {
        int failed = pthread_create(&scout->thread, NULL, run, scout);
        if (failed != 0) {
            status = error_set(error, STATUS_SYS, "cannot start a thread: %s", strerror(failed));
        }
    }
    if (status != STATUS_OK) {
        scout_destroy(scout);
        return status;
    }
    if (!process_tree_sees_children()) {
        notice_explain(
            "this kernel does not list a process's children (CONFIG_PROC_CHILDREN): only "
            "the command itself is looked at, not what it starts");
    }
    *out = scout;
    return STATUS_OK;
}

int scout_bell(const struct scout *scout) {
    return scout->bell;
}

bool scout_take(struct scout *scout, struct scout_news *out) {
    uint64_t rings = 0;
    (void)!read(scout->bell, &rings, sizeof rings);
    (void)pthread_mutex_lock(&scout->lock);
    bool any = scout->news_count > 0;
    if (any) {
        *out = scout->news[0];
        scout->news_count--;
        memmove(&scout->news[0], &scout->news[1], scout->news_count * sizeof scout->news[0]);
    }
    (void)pthread_mutex_unlock(&scout->lock);
    return any;
}

bool scout_end(struct scout *scout, struct error *denied) {
    const struct timespec patience = clock_timespec(clock_now_ns() + END_PATIENCE_NS);
    atomic_store(&scout->stop, true);
    ring(scout->wake);
    bool joined = pthread_clockjoin_np(scout->thread, NULL, CLOCK_MONOTONIC, &patience) == 0;
    (void)pthread_mutex_lock(&scout->lock);
    *denied = scout->denied;
    (void)pthread_mutex_unlock(&scout->lock);
    if (joined) {
        scout_destroy(scout);
    }
    return joined;
}
