#include "daemon/python/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/guard.h"
#include "daemon/python/debug_offsets.h"
#include "daemon/python/runtime_candidates.h"
#include "daemon/python/version.h"
#include "daemon/target/printable.h"

enum {
    OFFSETS_MAX = 4096,            /* bytes of _Py_DebugOffsets */
    FIRST_MINOR_WITH_OFFSETS = 13, /* whose runtime begins with them */
    INTERPRETERS_MAX = 16,         /* looked at for one with a thread */
};

/* Above any patch release of the last version that has a row. */
#define NEWEST_KNOWN 0x030fffffU

void runtime_version_text(const struct runtime *runtime, char *out, size_t capacity) {
    version_text(runtime->version, runtime->micro_known, out, capacity);
}

/* Sets the layout to the row of the version. */
static enum status row_take(const struct process *process, struct runtime *runtime,
                            struct error *error) {
    const struct py_layout *row =
        layout_find(version_major(runtime->version), version_minor(runtime->version),
                    runtime->layout.word_size);
    if (row == NULL) {
        char version[RUNTIME_VERSION_MAX];
        runtime_version_text(runtime, version, sizeof version);
        return error_set(error, STATUS_UNSUPPORTED,
                         "process %d runs Python %s, which cannot be sampled: this echiond knows "
                         "CPython 3.8 to 3.15%s",
                         process->pid, version,
                         runtime->version > NEWEST_KNOWN ? "; a newer one may know it" : "");
    }
    runtime->layout = *row;
    return STATUS_OK;
}

/* From 3.13 on: the layout as the target itself describes it. */
static enum status offsets_take(const struct process *process, const struct memory *memory,
                                struct runtime *runtime, struct error *error) {
    uint8_t bytes[OFFSETS_MAX];
    unsigned minor = version_minor(runtime->version);
    size_t size = debug_offsets_size(minor);
    char version[RUNTIME_VERSION_MAX];
    runtime_version_text(runtime, version, sizeof version);
    if (size == 0 || size > sizeof bytes) {
        return error_set(
            error, STATUS_UNSUPPORTED,
            "process %d runs Python %s, whose debug offsets this echiond does not know",
            process->pid, version);
    }
    enum status status = memory_read(memory, runtime->address, bytes, size);
    if (status != STATUS_OK) {
        return error_set(error, status, "cannot read the debug offsets of Python %s in process %d",
                         version, process->pid);
    }
    bool free_threaded = false;
    struct error reason = {.text = ""};
    status = debug_offsets_apply(bytes, size, minor, memory->word_size, &runtime->layout,
                                 &free_threaded, &reason);
    if (free_threaded) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "process %d runs a free-threaded build of Python %s, which cannot be "
                         "sampled: run the program with the ordinary build",
                         process->pid, version);
    }
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(error, status, "process %d runs Python %s, which cannot be sampled: %s",
                           process->pid, version, reason.text);
}

/* Finds out the version of a CPython before 3.13. */
static enum status version_take(const struct process *process,
                                const struct runtime_candidate *candidate, struct runtime *runtime,
                                struct error *error) {
    const struct memory *memory = &candidate->image.memory;
    uint64_t hex = 0;
    if (!raddr_is_null(candidate->version_at)) {
        enum status status = memory_read_word(memory, candidate->version_at, &hex);
        if (status != STATUS_OK || !version_is_plausible(hex)) {
            return error_set(error, status == STATUS_OK ? STATUS_TORN : status,
                             "process %d has a Python that is not loaded yet, or whose version "
                             "makes no sense",
                             process->pid);
        }
        runtime->version = (uint32_t)hex;
        runtime->micro_known = true;
        return STATUS_OK;
    }
    enum status status = version_find(&candidate->image, &candidate->object, &runtime->version,
                                      &runtime->micro_known);
    if (status == STATUS_ABSENT) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "process %d has a Python in %s that does not tell its version",
                         process->pid, runtime->image);
    }
    return status == STATUS_OK ? STATUS_OK
                               : error_set(error, status,
                                           "cannot find out the version of the Python in process "
                                           "%d: %s",
                                           process->pid, status_name(status));
}

/* Finds out all about a candidate that holds whether an interpreter is there already or not. */
static enum status candidate_identify(const struct process *process,
                                      const struct runtime_candidate *candidate,
                                      struct runtime *out, struct error *error) {
    const struct memory *memory = &candidate->image.memory;
    struct runtime runtime = {.address = candidate->address, .found_by = candidate->found_by};
    runtime.layout.word_size = (uint8_t)memory->word_size;
    (void)snprintf(runtime.image, sizeof runtime.image, "%s%s", candidate->object.first->path,
                   candidate->object.first->deleted ? " (deleted)" : "");
    printable_clean(runtime.image);

    uint8_t head[DEBUG_OFFSETS_HEAD];
    enum status status = memory_read(memory, runtime.address, head, sizeof head);
    if (status != STATUS_OK) {
        return error_set(error, status, "cannot read the interpreter's state in process %d: %s",
                         process->pid, status_name(status));
    }
    bool has_offsets = debug_offsets_version(head, sizeof head, &runtime.version);
    runtime.micro_known = has_offsets;
    if (!has_offsets) {
        status = version_take(process, candidate, &runtime, error);
        if (status == STATUS_OK && version_minor(runtime.version) >= FIRST_MINOR_WITH_OFFSETS) {
            status = error_set(error, STATUS_TORN, "process %d has a Python that is not loaded yet",
                               process->pid);
        }
    }
    if (status == STATUS_OK) {
        status = row_take(process, &runtime, error);
    }
    if (status == STATUS_OK && has_offsets) {
        status = offsets_take(process, memory, &runtime, error);
    }
    if (status == STATUS_OK) {
        *out = runtime;
    }
    return status;
}

/* Of several candidates the one with an interpreter; if none has one yet, the first that is known;
 * and if none is, what is wrong with the first. */
static enum status candidates_choose(const struct process *process,
                                     const struct runtime_candidates *candidates,
                                     struct runtime *out, struct error *error) {
    enum status chosen = STATUS_ABSENT;
    for (size_t i = 0; i < candidates->count; ++i) {
        struct runtime runtime = {.version = 0};
        struct error reason;
        enum status status = candidate_identify(process, &candidates->items[i], &runtime, &reason);
        if (status == STATUS_OK && runtime_check(process, &runtime, NULL) == STATUS_OK) {
            *out = runtime;
            return STATUS_OK;
        }
        if (i > 0 && (status != STATUS_OK || chosen == STATUS_OK)) {
            continue;
        }
        chosen = status;
        if (status == STATUS_OK) {
            *out = runtime;
        } else if (error != NULL) {
            *error = reason;
        }
    }
    return chosen;
}

static enum status not_a_python(const struct process *process,
                                const struct runtime_candidates *candidates, struct error *error) {
    if (candidates->stranger != NULL) {
        char path[RUNTIME_IMAGE_MAX];
        (void)snprintf(path, sizeof path, "%s", candidates->stranger_object.first->path);
        printable_clean(path);
        return error_set(
            error, STATUS_UNSUPPORTED,
            "process %d runs %s (%s), which cannot be sampled: CPython 3.8 to 3.15 can",
            process->pid, candidates->stranger, path);
    }
    if (candidates->cut) {
        return error_set(
            error, STATUS_ABSENT,
            "process %d has mapped so many objects, or such large ones, that no CPython "
            "was found among them in time",
            process->pid);
    }
    char program[RUNTIME_IMAGE_MAX];
    if (process_executable(process, program, sizeof program) != STATUS_OK) {
        (void)snprintf(program, sizeof program, "its program");
    }
    return error_set(error, STATUS_ABSENT,
                     "process %d is not a Python: there is no CPython in %s or the libraries that "
                     "it has loaded; should it have started one, give that one's id (pgrep -P %d)",
                     process->pid, program, process->pid);
}

static void mappings_guard(struct mappings *mappings) {
    mappings_deinit(mappings);
}

/* A process without memory has ended, or is in the middle of an exec. */
static enum status gone_or_torn(const struct process *process, struct error *error) {
    return process_alive(process)
               ? error_set(error, STATUS_TORN, "process %d is just starting a program",
                           process->pid)
               : error_set(error, STATUS_GONE, "process %d has ended", process->pid);
}

enum status runtime_locate(const struct process *process, struct runtime *out,
                           struct error *error) {
    __attribute__((cleanup(mappings_guard))) struct mappings mappings = MAPPINGS_NONE;
    enum status status = mappings_read(process, &mappings, error);
    if (status != STATUS_OK) {
        return status;
    }
    GUARD_FREE struct runtime_candidates *candidates = malloc(sizeof *candidates);
    if (candidates == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    status = runtime_candidates_find(process, &mappings, candidates);
    if (status == STATUS_GONE) {
        return gone_or_torn(process, error);
    }
    if (status != STATUS_OK) {
        return error_set(error, status, "cannot look for a Python in process %d: %s", process->pid,
                         status_name(status));
    }
    return candidates->count == 0 ? not_a_python(process, candidates, error)
                                  : candidates_choose(process, candidates, out, error);
}

/* Whether an interpreter has a thread that belongs to it. TORN: it has none. `*next` is the next
 * interpreter in the list. */
static enum status interpreter_check(const struct memory *memory, const struct py_layout *layout,
                                     struct raddr interpreter, uint64_t *next) {
    uint64_t thread = 0;
    uint64_t owner = 0;
    enum status status =
        memory_read_word(memory, raddr_add(interpreter, layout->interpreter.next), next);
    if (status == STATUS_OK) {
        status = memory_read_word(memory, raddr_add(interpreter, layout->interpreter.threads_head),
                                  &thread);
    }
    if (status != STATUS_OK) {
        return status == STATUS_TORN ? STATUS_CORRUPT : status;
    }
    if (thread == 0) {
        return STATUS_TORN;
    }
    status = memory_read_word(memory, raddr_make(thread + layout->thread.interp), &owner);
    if (status == STATUS_OK) {
        return owner == interpreter.v ? STATUS_OK : STATUS_CORRUPT;
    }
    return status == STATUS_TORN ? STATUS_CORRUPT : status;
}

static enum status check_failed(const struct process *process, enum status status,
                                struct error *error) {
    if (status == STATUS_GONE) {
        return gone_or_torn(process, error);
    }
    if (status == STATUS_TORN) {
        return error_set(error, status,
                         "the Python in process %d has no interpreter: it has not begun to "
                         "initialise one, or has shut it down",
                         process->pid);
    }
    if (status == STATUS_CORRUPT) {
        return error_set(
            error, status,
            "the interpreters of the Python in process %d make no sense: it is damaged, "
            "or not the CPython that it says it is",
            process->pid);
    }
    return error_set(error, status, "cannot read the interpreters of process %d: %s", process->pid,
                     status_name(status));
}

static void jit_check(const struct memory *memory, struct runtime *runtime,
                      struct raddr interpreter) {
    uint8_t jit = 0;
    if (runtime->layout.interpreter.jit != LAYOUT_ABSENT &&
        memory_read(memory, raddr_add(interpreter, runtime->layout.interpreter.jit), &jit,
                    sizeof jit) == STATUS_OK) {
        runtime->jit = jit != 0;
    }
}

enum status runtime_check(const struct process *process, struct runtime *runtime,
                          struct error *error) {
    struct memory memory = {.pid = process->pid, .word_size = runtime->layout.word_size};
    const struct py_layout *layout = &runtime->layout;
    uint64_t interpreter = 0;
    enum status status = memory_read_word(
        &memory, raddr_add(runtime->address, layout->runtime.interpreters_head), &interpreter);
    if (status != STATUS_OK) {
        return check_failed(process, status == STATUS_TORN ? STATUS_CORRUPT : status, error);
    }
    status = STATUS_TORN;
    for (unsigned i = 0; i < INTERPRETERS_MAX && interpreter != 0; ++i) {
        struct raddr address = raddr_make(interpreter);
        status = interpreter_check(&memory, layout, address, &interpreter);
        if (status == STATUS_OK) {
            jit_check(&memory, runtime, address);
        }
        if (status != STATUS_TORN) {
            break;
        }
    }
    return status == STATUS_OK ? STATUS_OK : check_failed(process, status, error);
}
