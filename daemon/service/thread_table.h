/* thread_table: the thread states of one target, and what the sampler remembers of each. Owned by a
 * sampler, used by its thread only. Finding threads is cold; seeing that the target's lists of them
 * have changed is HOT, and takes no read beside the picture of all threads. */
#ifndef ECHION_DAEMON_SERVICE_THREAD_TABLE_H
#define ECHION_DAEMON_SERVICE_THREAD_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/stack.h"
#include "daemon/python/layout.h"
#include "daemon/snapshot/still.h"
#include "daemon/snapshot/thread_plan.h"
#include "daemon/target/memory.h"

enum { THREAD_STATES_MAX = 16384, INTERPRETERS_MAX = 1024 };

struct thread_record {
    uint64_t state;       /* address of the PyThreadState; with `state_id` its identity */
    uint64_t state_id;    /* PyThreadState.id, unique within its interpreter */
    uint64_t interpreter; /* address */
    int64_t interpreter_id;
    uint64_t pthread; /* PyThreadState.thread_id */
    uint64_t native;  /* PyThreadState.native_thread_id, 0 before 3.11: in the target's namespace */
    int32_t tid;      /* in the daemon's PID namespace; 0 while unknown */
    char *label;      /* as shown, owned; NULL while unknown */
    bool named;       /* the label is a name, not a number in its place */
    bool late;        /* the label was found after samples had been taken, and is theirs, too */
    bool bound;       /* to a thread of its own, whose ids it has */
    bool seen;        /* by the scan under way */
    uint32_t place;   /* in the order of the target's lists */

    struct thread_plan plan;
    uint32_t first_span, end_span; /* of the picture of all threads */
    struct stack stack;
    uint32_t *nodes;       /* per frame of the stack: its node in the batch being filled */
    uint32_t node_count;   /* nodes that are valid for the frames of the last emitted stack */
    uint32_t batch_thread; /* index in the batch being filled, BATCH_FULL while not registered */

    uint64_t last_ns; /* CLOCK_MONOTONIC of its last sample, or of when it was found */
    uint64_t left_ns; /* wall time below a microsecond, not yet written */
    struct thread_account *account; /* CPU mode; owned */
    struct still still;
};

/* An interpreter, as the last scan found it. */
struct interpreter_record {
    uint64_t address;
    uint64_t threads_head; /* the first of its thread states; 0 while it has none */
};

/* Called with `owner` before a record is freed, and where it turns out to be another thread's: to
 * release what is attached to it. */
typedef void thread_record_release(void *owner, struct thread_record *record);

struct thread_table {
    struct thread_record **records; /* in the order of the target's lists */
    uint32_t count, capacity;
    struct interpreter_record *interpreters; /* in the order of the target's list */
    uint32_t interpreter_count, interpreter_capacity;
    uint32_t watched, watched_count; /* lists whose heads the picture has: 0 is the interpreters' */
    uint32_t watched_span;           /* where they begin in it */
    thread_record_release *release;
    void *owner;
    uint64_t found; /* thread states found so far, ended ones included */
};

void thread_table_init(struct thread_table *table, thread_record_release *release, void *owner);
void thread_table_deinit(struct thread_table *table);

/* Brings the table up to date with the target's interpreters and threads: keeps records of thread
 * states that are still there (the same address and id), frees those that ended, makes new ones,
 * and binds those whose threads have begun to run: until then they have their makers' ids, or none.
 * Cold: a read per interpreter and thread. TORN if the lists change under the scan or make no
 * sense, the table is then unchanged but for records marked; `changed` says whether anything came
 * or went, or is another thread's than it was. */
STATUS_CHECKED enum status thread_table_scan(struct thread_table *table,
                                             const struct memory *memory,
                                             const struct py_layout *layout, struct raddr runtime,
                                             uint64_t now_ns, bool *changed);

/* HOT. Adds the heads of some of the target's lists to `picture`, in turn: one in eight, or one. */
void thread_table_watch(struct thread_table *table, const struct py_layout *layout,
                        struct raddr runtime, struct picture *picture);

/* HOT. Whether the target's lists differ from what the last scan found, as far as a picture tells:
 * by what every thread state is and has for neighbours, and by its heads, where it has any. */
bool thread_table_has_changed(const struct thread_table *table, const struct py_layout *layout,
                              const struct picture *picture, bool heads);

/* HOT. Whether the bytes of a thread state are those of the record's thread: another may have been
 * made in its place, or a new thread have begun to run in it. */
bool thread_record_is_same(const struct thread_record *record, const struct py_layout *layout,
                           const uint8_t *state);

/* Makes room for `depth` frames in a thread's stack. Cold. */
STATUS_CHECKED enum status thread_record_reserve(struct thread_record *record, uint32_t depth);

#endif
