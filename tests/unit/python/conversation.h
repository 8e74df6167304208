/* conversation: a running tests/targets/thread_names.py, which does what it is told and tells what
 * threads it has. Owned by one test. */
#ifndef ECHION_TESTS_UNIT_PYTHON_CONVERSATION_H
#define ECHION_TESTS_UNIT_PYTHON_CONVERSATION_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/raddr.h"
#include "daemon/python/layout.h"
#include "daemon/target/memory.h"

enum { TOLD_MAX = 512, TOLD_NAME_MAX = 8192 };

/* A thread as the target told it. */
struct told {
    uint64_t ident;
    int64_t native_id;
    uint32_t length;
    uint32_t *name; /* code points */
};

struct conversation {
    pid_t started; /* the process to end, and the one that answers: */
    pid_t pid;
    FILE *to, *from;
    struct memory memory;
    const struct py_layout *layout;
    struct raddr runtime;
    struct raddr interpreter; /* the main one */
    struct told told[TOLD_MAX];
    unsigned told_count;
};

/* The interpreters to talk to: those in ECHION_PYTHONS (paths with colons between them), else
 * Debian's, and pyenv's if there are any. NULL-terminated; static. */
const char *const *conversation_pythons(void);

/* Aborts the test when it cannot be had. */
struct conversation *conversation_open(const char *python);
void conversation_close(struct conversation *conversation);

/* The interpreter that was made last. */
struct raddr conversation_interpreter(const struct conversation *conversation);

/* Has the target do a step, and takes down its threads. */
void conversation_ask(struct conversation *conversation, const char *step);

#endif
