/* where_scene: what all threads of one Python process do at one moment. Made, used and destroyed on
 * one thread. Cold, though it hurries: a person waits for it, and a target does not stand still.
 *
 * Its stacks are read as samples are (thread_sampler): a stack that contradicts itself is read
 * again, and one that never comes out whole says so. */
#ifndef ECHION_DAEMON_SERVICE_WHERE_SCENE_H
#define ECHION_DAEMON_SERVICE_WHERE_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/python/runtime.h"
#include "daemon/service/thread_table.h"
#include "daemon/target/process.h"
#include "daemon/target/thread_activity.h"
#include "daemon/where/thread_wait.h"
#include "daemon/where/wait_graph.h"

struct where_thread {
    const struct thread_record *record; /* its frames and name; NULL: it runs no Python */
    uint32_t place;                     /* of the record in its table */
    pid_t tid;                          /* in our PID namespace; 0 while unknown */
    bool known;                         /* only then: what the kernel says */
    struct thread_activity activity;
    bool holds_gil, wants_gil;
    struct thread_wait wait;
    uint32_t holder;       /* index of the thread that it waits for; WAIT_GRAPH_NOBODY: unknown */
    uint32_t holder_frame; /* of a Lock: the frame of that one that took it */
    uint32_t circle;       /* threads with the same number, not 0, wait for one another for ever */
    bool torn; /* its stack could not be read consistently: there is none, or one to be doubted */
};

struct where_scene {
    const struct process *process; /* borrowed */
    const struct runtime *runtime;
    struct where_thread *threads; /* those that run Python, then the others */
    uint32_t count;
    uint32_t circles;            /* so many */
    struct where_reader *reader; /* private */
};

/* Looks at a process. The process and the runtime must outlive the scene. TORN: its thread lists
 * never made sense; GONE, DENIED, UNSUPPORTED, NOMEM, SYS. */
STATUS_CHECKED enum status where_scene_create(const struct process *process,
                                              const struct runtime *runtime,
                                              struct where_scene **out, struct error *error);
void where_scene_destroy(struct where_scene *scene);

/* Reads the stack of one that runs Python anew, from a picture of it alone, and what the kernel
 * says of it. False if that does not come out whole. */
bool where_scene_look_again(struct where_scene *scene, struct where_thread *thread);

const struct memory *where_scene_memory(const struct where_scene *scene);

/* Seconds since the process began. */
uint64_t where_scene_age(const struct where_scene *scene);

/* The thread's name as Python has it, or else the kernel's or a number. */
const char *where_thread_name(const struct where_thread *thread);

#endif
