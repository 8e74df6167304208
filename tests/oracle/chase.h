/* chase: one thread's Python stack, read by following its pointers from the current frame to the
 * root, one read per frame. Exact while the thread is stopped; while it runs this is what torn
 * stacks are made of. A plain value, large; one thread. Cold. */
#ifndef ECHION_TESTS_ORACLE_CHASE_H
#define ECHION_TESTS_ORACLE_CHASE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/oracle/subject.h"

enum { CHASE_FRAMES_MAX = 4096 };

struct chase {
    uint64_t codes[CHASE_FRAMES_MAX]; /* code objects, leaf first, the interpreter's own left out */
    uint64_t entered[CHASE_FRAMES_MAX]; /* frames that C code entered the interpreter from */
    uint32_t count, entries;
    bool broken; /* it did not come to an end: a pointer could not be read, or there are too many */
    /* The interpreter is not in the middle of changing the chain. For a stopped thread that is not,
     * one of its next instructions makes it so. */
    bool settled;
};

void chase_stack(const struct subject *subject, struct chase *chase);

#endif
