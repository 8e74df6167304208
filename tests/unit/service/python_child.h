/* python_child: a real Python that runs a given program, for tests that look at one. Owned by one
 * test. */
#ifndef ECHION_TESTS_UNIT_SERVICE_PYTHON_CHILD_H
#define ECHION_TESTS_UNIT_SERVICE_PYTHON_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/python/runtime.h"
#include "daemon/target/process.h"

struct python_child {
    pid_t pid;
    int commands; /* lines written here are what the program reads from its standard input */
    int answers;  /* and its standard output */
    struct process process;
    struct runtime runtime;
};

/* Starts the system's Python, which must print a line once it is ready; skips the test where there
 * is none. */
void python_child_start(const char *program, struct python_child *out);

/* The same with another interpreter. */
void python_child_start_as(const char *interpreter, const char *program, struct python_child *out);

/* The interpreters to try: those in ECHION_PYTHONS (paths with colons between them), else the
 * system's, and pyenv's if there are any. NULL-terminated; static. */
const char *const *python_child_interpreters(void);

/* Sends a line and waits for one. */
void python_child_tell(const struct python_child *child, const char *line);

/* The same; the line that came is in `answer`, without its end. */
void python_child_ask(const struct python_child *child, const char *line, char *answer,
                      size_t capacity);

void python_child_end(struct python_child *child);

#endif
