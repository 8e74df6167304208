/* loading: what a target needs to load a library of ours: the library, and the script that does it
 * (inject/script.h), each in a file that the target can open. Owns the files; owned by one request.
 * Cold. */
#ifndef ECHION_DAEMON_INJECT_LOADING_H
#define ECHION_DAEMON_INJECT_LOADING_H

#include <stddef.h>

#include "common/status.h"
#include "daemon/inject/handed_file.h"
#include "daemon/target/process.h"

/* A library, for targets of one word size. A plain value; the caller's. */
struct loading_library {
    const void *bytes;
    size_t size;
    const char *name; /* what /proc/PID/maps is to show */
};

struct loading {
    struct handed_file library, script;
};

#define LOADING_NONE ((struct loading){.library = HANDED_FILE_NONE, .script = HANDED_FILE_NONE})

/* As handed_file_make. `script.path` is then what the target is to run. */
STATUS_CHECKED enum status loading_begin(const struct process *process,
                                         const struct loading_library *library, struct loading *out,
                                         struct error *error);

/* As handed_file_remove. Accepts LOADING_NONE. */
void loading_end(struct loading *loading);

#endif
