/* read_watch: whether a thread hangs in a read of a target's memory, or in a look at the files that
 * the target names. Part of a session, used by its main thread, which never does either itself; a
 * plain value, all zero at first. Cold. */
#ifndef ECHION_DAEMON_SERVICE_READ_WATCH_H
#define ECHION_DAEMON_SERVICE_READ_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    READ_WATCH_NS = 100 * 1000 * 1000, /* between two looks */
    READ_WATCH_LOOKS = 10,             /* a second: then it hangs */
};

struct read_watch {
    uint64_t since_ns; /* of the read that was under way at the last look */
    unsigned asleep;   /* looks at which it was, and the thread asleep in it */
};

/* To be called every READ_WATCH_NS. `since_ns`: when the read or look under way in our thread `tid`
 * began, 0 if none is. True once that has been so at READ_WATCH_LOOKS looks behind the first.
 *
 * Looks are counted, not time, and only those that find the thread asleep: when all of us have been
 * stopped, or the thread is ready to run and gets no processor, it is not the target that does not
 * answer. */
bool read_watch_look(struct read_watch *watch, pid_t tid, uint64_t since_ns);

#endif
