/* scout: looks for the first Python among a launched command's processes, and for one more beside
 * it.
 *
 * A thread of its own, since what it reads (mappings, memory) can block for good. Looks every half
 * to one millisecond while something is new, every few milliseconds while nothing happens, and
 * rarely once it has found a Python. Owned by main and called from its thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_SCOUT_H
#define ECHION_DAEMON_SERVICE_SCOUT_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/service/session.h"

struct scout;

enum scout_topic {
    SCOUT_FOUND,   /* the first Python, whose interpreter has begun to initialise */
    SCOUT_OTHER,   /* another one beside it: said of the first such only */
    SCOUT_TROUBLE, /* a Python that cannot be profiled, and why; the search goes on */
};

struct scout_news {
    enum scout_topic topic;
    pid_t pid;
    struct session_find find; /* SCOUT_FOUND: the taker's to close */
    struct error error;       /* SCOUT_TROUBLE */
};

/* Starts to look at `root` and what it forks. */
STATUS_CHECKED enum status scout_start(pid_t root, struct scout **out, struct error *error);

/* Readable when there is news. */
int scout_bell(const struct scout *scout);

/* The next piece of news; false if there is none. */
bool scout_take(struct scout *scout, struct scout_news *out);

/* Ends it. `denied` gets the last refusal to look at a process, an empty text if there was none.
 * False if its thread hangs for good: the caller leaves by _exit. */
bool scout_end(struct scout *scout, struct error *denied);

#endif
