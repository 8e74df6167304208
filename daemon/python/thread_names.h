/* thread_names: the names of one interpreter's threads, as its `threading` module knows them, read
 * from the target's memory. Owned by whoever creates it, one per interpreter; one thread at a time.
 * Cold: a refresh is about two dozen system calls and another dozen per 32 threads, to be made a
 * few times a second, since threads are renamed. When a thread appears, a look at the newest names
 * will do.
 *
 * The way there: the interpreter's sys.modules, `threading`, its `_active`: a dict from ident (the
 * pthread_t) to Thread. What was read torn yields no name rather than a wrong one. A program that
 * never imports threading has no names. Names are raw code points as CPython stores them, with lone
 * surrogates and line breaks: the caller cleans them before they are written. */
#ifndef ECHION_DAEMON_PYTHON_THREAD_NAMES_H
#define ECHION_DAEMON_PYTHON_THREAD_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/python/layout.h"
#include "daemon/target/memory.h"

struct thread_name {
    uint64_t ident;      /* pthread_t */
    int64_t native_id;   /* tid in the target's PID namespace; -1 where unknown */
    uint32_t length;     /* code points, at most 1024: the rest is cut */
    uint8_t kind;        /* bytes per code point: 1 (Latin-1), 2 or 4, little-endian */
    const uint8_t *text; /* the code points, not terminated; until the next refresh */
};

struct thread_names;

/* NOMEM if it cannot be had. */
STATUS_CHECKED enum status thread_names_create(struct thread_names **out);
void thread_names_destroy(struct thread_names *names);

/* Reads the names anew, from the PyInterpreterState at `interpreter`. OK; ABSENT when the
 * interpreter has no threading module (yet), and then there are no names. Otherwise the names of
 * before stay: TORN when no consistent read came about, GONE, DENIED, SYS as memory says, NOMEM
 * when not one name is to be had within the budget of time (50 ms or so) and memory. Of more than
 * 5000 threads, the oldest have names. */
STATUS_CHECKED enum status thread_names_refresh(struct thread_names *names,
                                                const struct memory *memory,
                                                const struct py_layout *layout,
                                                struct raddr interpreter);

/* Reads the `newest` entries of the list, or a few more, and keeps the other names: a thread that
 * came since is among the last in it. Names of threads that ended since stay, so this is for
 * callers that know the native ids of theirs. As thread_names_refresh otherwise, which it calls the
 * first time; only a refresh notices that the program has put another list in the place of this
 * one. */
STATUS_CHECKED enum status thread_names_extend(struct thread_names *names,
                                               const struct memory *memory,
                                               const struct py_layout *layout,
                                               struct raddr interpreter, uint32_t newest);

/* Grows with each refresh that changed something. */
uint64_t thread_names_generation(const struct thread_names *names);

/* All names, sorted by ident. */
size_t thread_names_count(const struct thread_names *names);
const struct thread_name *thread_names_at(const struct thread_names *names, size_t index);

/* The name of the thread with this ident and this native id; NULL if none is known. An ident can be
 * taken by another thread once its first owner is gone, so both must match where both are known
 * (native_id -1: unknown). `main` says that this is the process's first thread, whose ident nobody
 * inherits; it counts by its ident alone, since in a forked child its `_native_id` is that of the
 * thread in the parent (gh-132542, to 3.13.3). */
const struct thread_name *thread_names_find(const struct thread_names *names, uint64_t ident,
                                            int64_t native_id, bool main);

#endif
