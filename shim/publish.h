/* publish: the process's ring, and what goes into it. One per process, made once the process is
 * known to be a Python; any thread, also in a signal handler or between fork and exec. Publishing
 * makes no system call, takes no lock, and does nothing while nobody reads. */
#ifndef ECHION_SHIM_PUBLISH_H
#define ECHION_SHIM_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ring_record.h"

/* Makes the ring: a sealed memfd, mapped, and its descriptor kept where a daemon finds it and the
 * program's own are not shifted by it. Makes forks of this process announce themselves. If any of
 * it cannot be had, nothing is published. Nothing if it has one; a fork that still has the one it
 * was born with gets its own. By the only thread, or one with the GIL. */
void publish_begin(void);

/* Whether there is a ring. */
bool publish_has_ring(void);

/* Whether somebody reads it. Not in a sandbox that the program has entered: nothing is published
 * there. */
bool publish_is_read(void);

/* Whether the processes that this one starts are to be profiled, too. As long as nobody has read
 * the ring, and where there is none, nobody knows: yes. */
bool publish_follows(void);

/* Whether this process was forked by one that was not followed. */
bool publish_is_left_alone(void);

/* Whether the ring is this process's own: not so in a child between vfork and exec. */
bool publish_is_own(void);

/* Publishes, if somebody reads. */
void publish_code(enum ring_kind kind, uint64_t address);
void publish_process(enum ring_kind kind);

#endif
