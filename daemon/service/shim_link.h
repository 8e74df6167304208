/* shim_link: what the shim in a process tells us, if it is there: which code objects are destroyed,
 * and that there are children.
 *
 * Owned by a session; begun, used and ended on its sampling thread. shim_link_take is HOT, all else
 * is not. What is told is not trusted: the worst that it can do is to have us look again at what is
 * there. A ring that makes no sense is left, and sampling goes on from outside. */
#ifndef ECHION_DAEMON_SERVICE_SHIM_LINK_H
#define ECHION_DAEMON_SERVICE_SHIM_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/code_cache.h"
#include "daemon/ingest/ring_reader.h"
#include "daemon/target/process.h"

enum { SHIM_LINK_BATCH = 64 };

struct shim_link {
    struct ring *ring;              /* NULL: there is no shim, or it is not listened to */
    _Atomic(struct ring *) offered; /* one that has come since, by another thread */
    uint32_t wants;                 /* enum ring_wants */
    struct ring_reader reader;
    uint64_t taken_ns; /* when records were last taken; 0: never */
    struct ring_record taken[SHIM_LINK_BATCH];
    int bell; /* an eventfd, rung when one of the following has changed */
    /* Read by any thread. */
    atomic_bool up;         /* there is, or was, a shim */
    atomic_bool corrupt;    /* it tells nonsense */
    _Atomic uint32_t forks; /* times that the process has forked, or was about to exec */
    _Atomic uint32_t quits; /* SIGQUITs that it got */
};

enum shim_found {
    SHIM_NONE,
    SHIM_OURS,    /* it is listened to */
    SHIM_OTHERS,  /* there is another reader, and there may be one only */
    SHIM_CORRUPT, /* it makes no sense */
};

/* Looks for the ring of a process, and lets the shim know that somebody reads it, and whether
 * children count. Whatever is found, `link` is good for all else. */
enum shim_found shim_link_begin(struct shim_link *link, const struct process *process,
                                bool children, int bell);

/* Gives it a ring that has come into being meanwhile, which is the link's from then on: it is
 * listened to from the next shim_link_take. Any thread. */
void shim_link_offer(struct shim_link *link, struct ring *ring);

/* Takes what has been told since, and notes in `codes` what is destroyed. HOT: no system call
 * unless a process has forked or got a signal. Does nothing with a `link` of NULL. */
void shim_link_take(struct shim_link *link, struct code_cache *codes, uint64_t now_ns);

/* Lets the shim know that nobody reads any more. */
void shim_link_end(struct shim_link *link);

#endif
