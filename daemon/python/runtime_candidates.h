/* runtime_candidates: the objects among a process's mappings that hold a _PyRuntime. A plain value,
 * of some KiB, that points into the mappings it was made from. One thread at a time. Cold. */
#ifndef ECHION_DAEMON_PYTHON_RUNTIME_CANDIDATES_H
#define ECHION_DAEMON_PYTHON_RUNTIME_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/target/elf_image.h"
#include "daemon/target/mappings.h"
#include "daemon/target/process.h"

/* A process has one interpreter. A second library, or a copy of its data that the linker placed in
 * a program (a copy relocation, of which one of both stays unused), may be there beside it. */
enum { RUNTIME_CANDIDATES_MAX = 4 };

struct runtime_candidate {
    struct raddr address;    /* of _PyRuntime */
    struct raddr version_at; /* of Py_Version, from 3.11 on where it is exported; else null */
    const char *found_by;    /* in words */
    struct mapped_object object;
    struct elf_image image;
};

struct runtime_candidates {
    size_t count;
    struct runtime_candidate items[RUNTIME_CANDIDATES_MAX];
    const char *stranger; /* another Python was found instead: what it is, in words; else NULL */
    struct mapped_object stranger_object;
    bool cut; /* not all objects were looked at: there are absurdly many or large ones */
};

/* Looks first at the program and at objects with "python" in their name, then at all that are large
 * enough for an interpreter; in each round first at exported symbols, then at the files; and in the
 * end at the program's data. OK also if there are none. GONE, DENIED, NOMEM, SYS; what is wrong
 * with a single object is no failure. */
STATUS_CHECKED enum status runtime_candidates_find(const struct process *process,
                                                   const struct mappings *mappings,
                                                   struct runtime_candidates *out);

#endif
