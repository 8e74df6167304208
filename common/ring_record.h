/* ring_record: the kinds of records in the ring (common/ring.h), and what each one holds. The same
 * for 32- and 64-bit processes; depends on nothing. A reader skips what it does not know, and
 * believes none of it further than docs/ring.md says. */
#ifndef ECHION_COMMON_RING_RECORD_H
#define ECHION_COMMON_RING_RECORD_H

#include <stdint.h>

/* The name of the memfd that the ring lies in. Nothing in /proc/PID/maps is to tell whose it is. */
#define RING_FILE_NAME "ring"

enum ring_kind {
    RING_CODE_DESTROYED = 1, /* struct ring_code; before its memory is given back */
    RING_FORKED = 2,         /* struct ring_process: the new process, which says so itself */
    RING_EXECS = 3,          /* struct ring_process: is about to become another program */
    RING_QUIT = 4,           /* struct ring_process: got SIGQUIT (Ctrl+\), and lives on */
};

/* What the reader lets the shim know in `wants`. */
enum ring_wants {
    RING_WANTS_NEWS = 1,     /* somebody reads, or has read */
    RING_WANTS_CHILDREN = 2, /* processes that this one forks and starts are profiled, too */
};

struct ring_code {
    uint64_t address;
};

struct ring_process {
    int32_t pid; /* in its PID namespace */
};

#endif
