/* subject: a running CPython whose stack is the ground truth: where its runtime is, how its structs
 * are laid out, which thread is looked at. Owned by one tests-only program and used by its only
 * thread. Cold. It shares the layouts with the profiler that is judged, and nothing else: every
 * read is a system call of its own, in the order in which the interpreter itself would follow the
 * pointers. */
#ifndef ECHION_TESTS_ORACLE_SUBJECT_H
#define ECHION_TESTS_ORACLE_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/python/layout.h"

struct subject {
    pid_t pid;
    pid_t tid;
    struct py_layout layout;
    uint64_t runtime;   /* address of _PyRuntime */
    uint64_t tstate;    /* address of the thread's PyThreadState */
    uint64_t code_type; /* address of PyCode_Type, 0 until a code object has been seen */
};

/* Finds the interpreter of `pid` and the thread state of its thread `tid`. */
STATUS_CHECKED enum status subject_find(struct subject *subject, pid_t pid, pid_t tid,
                                        struct error *error);

/* Reads `size` bytes, all or nothing. */
bool subject_read(const struct subject *subject, uint64_t address, void *out, size_t size);

/* Reads a word of the subject's size. */
bool subject_read_word(const struct subject *subject, uint64_t address, uint64_t *out);

/* The word at `offset` of `bytes`, which were read from the subject. */
uint64_t subject_word(const struct subject *subject, const void *bytes, uint32_t offset);

/* The image that carries _PyRuntime: its path and the address of the symbol. */
struct runtime_place {
    uint64_t address;
    unsigned minor;
    unsigned word_size;
};

STATUS_CHECKED enum status runtime_place_find(pid_t pid, struct runtime_place *out,
                                              struct error *error);

#endif
