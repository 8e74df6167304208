/* runtime: the CPython interpreter in a process: where its _PyRuntime is, which version it is, and
 * how its structs are laid out. A plain value; owned by a session, any thread may read it. Cold:
 * both functions read the target's memory, and runtime_locate maybe files, so they can block.
 *
 * Found are shared and static builds, stripped or not, also in the middle of another program,
 * deleted, replaced, or in another mount namespace: by the symbol _PyRuntime that nearly every
 * build exports, or by the section .PyRuntime (from 3.10 on) or the symbol table of the file. What
 * was found is the target's word: runtime_check says whether interpreters really are there. */
#ifndef ECHION_DAEMON_PYTHON_RUNTIME_H
#define ECHION_DAEMON_PYTHON_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/python/layout.h"
#include "daemon/target/process.h"

enum { RUNTIME_IMAGE_MAX = 256, RUNTIME_VERSION_MAX = 24 };

struct runtime {
    struct raddr address;          /* of _PyRuntime */
    struct py_layout layout;       /* true for this very build */
    uint32_t version;              /* PY_VERSION_HEX: 3.14.2 is 0x030e02f0 */
    bool micro_known;              /* else only major and minor of `version` are true */
    bool jit;                      /* machine code may be generated; as of the last runtime_check */
    const char *found_by;          /* in words, for -v */
    char image[RUNTIME_IMAGE_MAX]; /* path of the object that it is part of, printable, maybe cut */
};

/* Looks for it in the program that runs in the process now: once per exec, or until one shows up.
 * ABSENT: not a Python. UNSUPPORTED: a Python that we do not know or do not sample, and why. TORN:
 * a Python that is still being loaded; look again. CORRUPT: its data contradict themselves, or it
 * is not loaded yet. GONE, DENIED, NOMEM, SYS. */
STATUS_CHECKED enum status runtime_locate(const struct process *process, struct runtime *out,
                                          struct error *error);

/* Whether an interpreter with a thread is there, and what was located fits it; sets `jit`. A few
 * small reads of memory. TORN: not initialised yet, or no longer. CORRUPT: makes no sense, which
 * may pass while threads come and go. GONE, DENIED, NOMEM, SYS. */
STATUS_CHECKED enum status runtime_check(const struct process *process, struct runtime *runtime,
                                         struct error *error);

/* "3.12.1", "3.14.0rc2", or "3.9" when no more is known. */
void runtime_version_text(const struct runtime *runtime, char *out, size_t capacity);

#endif
