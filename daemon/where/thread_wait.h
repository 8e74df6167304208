/* thread_wait: what a thread waits for that sleeps in a futex, and which locks its frames have
 * taken. Plain values; one thread at a time. Cold.
 *
 * The address on which it sleeps proves which lock it is: that of the semaphore of a lock which the
 * innermost frame has in its hands, or, where locks are PyMutexes, one beside which the thread has
 * noted for which mutex it sleeps. */
#ifndef ECHION_DAEMON_WHERE_THREAD_WAIT_H
#define ECHION_DAEMON_WHERE_THREAD_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/decode/stack.h"
#include "daemon/target/thread_activity.h"
#include "daemon/where/lock_object.h"

enum wait_kind {
    WAIT_NONE,
    WAIT_LOCK,
    WAIT_RLOCK,
    WAIT_THREAD, /* for another one's end */
    WAIT_EVENT,  /* for somebody to set, put, notify ... */
};

struct thread_wait {
    enum wait_kind kind;
    bool timed;       /* it will not wait for ever */
    uint64_t object;  /* of a lock: its address */
    uint64_t owner;   /* the pthread_t of who holds the RLock, or of the thread; 0 if unknown */
    const char *what; /* of an event: in which call, "Queue.get". Static storage */
};

/* Finds what a thread with this stack and this futex waits for; WAIT_NONE if it cannot be told. */
void thread_wait_find(struct lock_objects *objects, const struct stack *stack,
                      const struct thread_activity *activity, struct thread_wait *out);

/* Calls `found` with each lock that a frame of the stack has taken by `with` and will release: its
 * address, and the frame's index. Not with one that Condition.wait has released for as long as it
 * waits. That it is held is certain unless the program releases it by hand in between. */
void thread_wait_held(struct lock_objects *objects, const struct stack *stack,
                      void (*found)(void *context, uint64_t lock, uint32_t frame), void *context);

#endif
