#include "daemon/inject/remote_debug.h"

#include <string.h>
#include <time.h>

#include "daemon/inject/handed_file.h"
#include "daemon/python/debug_offsets.h"
#include "daemon/python/interpreter.h"
#include "daemon/target/mappings.h"

/* Bits of PyThreadState.eval_breaker (Include/internal/pycore_ceval.h, 3.14 and 3.15). */
enum {
    BREAKER_SIGNALS = 1 << 1,
    BREAKER_CALLS = 1 << 2,
    BREAKER_ASYNC_EXCEPTION = 1 << 3,
    BREAKER_STOP = 1 << 5, /* PEP 768's */
};

enum { OFFSETS_MAX = 4096, STATES_MAX = 65536 };

/* How long a thread has been there before it is written to. One that lives for so long is not
 * likely to end in just the microseconds between the check of it and the writes. */
#define SETTLED_NS UINT64_C(25000000)

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static enum status word_read(const struct remote_debug *debug, struct raddr base, uint32_t offset,
                             uint64_t *out) {
    return memory_write_get_word(&debug->door, raddr_add(base, offset), out);
}

static enum status byte_write(const struct remote_debug *debug, struct raddr base, uint32_t offset,
                              uint8_t value) {
    return memory_write_put(&debug->door, raddr_add(base, offset), &value, 1);
}

static enum status state_check(const struct remote_debug *debug, struct raddr state, uint64_t *id) {
    return interpreter_thread(&debug->door, debug->runtime, debug->interpreter, state, id);
}

static enum status thread_check(const struct remote_debug *debug,
                                const struct remote_debug_thread *thread) {
    uint64_t id = 0;
    enum status status = state_check(debug, thread->state, &id);
    return status == STATUS_OK && id != thread->id ? STATUS_TORN : status;
}

/* Whether the target itself may write where the state lies: the door would not ask. */
static enum status place_check(const struct remote_debug *debug, struct raddr state) {
    struct mappings mappings = MAPPINGS_NONE;
    enum status status = mappings_read(debug->process, &mappings, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    const struct mapping *mapping = mappings_find(&mappings, state);
    bool good = state.v % debug->door.word_size == 0 && mapping != NULL && mapping->writable &&
                !mapping->shared && mapping->end.v - state.v >= debug->offsets.thread.size;
    mappings_deinit(&mappings);
    return good ? STATUS_OK : STATUS_CORRUPT;
}

/* Makes the thread look at its flag. Its eval breaker is a word that the target changes atomically
 * and we do not, so between our read and our write a change can be lost, or undone. Neither hurts:
 *
 * - Only the lowest byte is written, which has all events. The others hold the version of the
 *   instrumentation.
 * - It is written only when it is 0, so no event can come back that has been handled already: a
 *   request to drop the GIL that did would let the thread wait for a successor whom nobody has
 *   sent. Where another event is set, its handling looks at the flag too (Python/ceval_gil.c,
 *   _Py_HandlePending).
 * - What the target sets in the same moment is lost, but for what we write ourselves: signals,
 *   pending calls and asynchronous exceptions, which each tell by a field of their own whether
 *   there really are some, and do nothing if not. A request to drop the GIL is repeated after a
 *   switch interval (take_gil), a garbage collection with the next object (_PyObject_GC_Link), and
 *   that of cold executors with the next round (3.14 on, only where the JIT is on).
 * - The bit of PEP 768 itself is how free-threaded builds stop the world. This one finds that
 *   nobody does, and gives the GIL to whoever waits (Python/pystate.c, _PyThreadState_Suspend). */
static enum status breaker_ring(const struct remote_debug *debug, struct raddr state) {
    uint8_t events = 0;
    uint32_t offset = debug->offsets.thread.eval_breaker;
    enum status status =
        memory_write_get(&debug->door, raddr_add(state, offset), &events, sizeof events);
    if (status != STATUS_OK || events != 0) {
        return status;
    }
    return byte_write(debug, state, offset,
                      BREAKER_STOP | BREAKER_SIGNALS | BREAKER_CALLS | BREAKER_ASYNC_EXCEPTION);
}

/* Whether a request that waits in a state was left by a daemon that was killed, and not by another
 * debugger. */
static enum status request_is_ours(const struct remote_debug *debug, struct raddr state,
                                   bool *ours) {
    char path[HANDED_FILE_PATH_MAX];
    enum status status = memory_write_get(
        &debug->door, raddr_add(state, debug->offsets.thread.script_path), path, sizeof path);
    if (status == STATUS_OK) {
        path[sizeof path - 1] = '\0';
        *ours = strstr(path, HANDED_FILE_MARK) != NULL || strstr(path, HANDED_FILE_OWN) != NULL;
    }
    return status;
}

/* Puts the request into one state. TORN: the thread has left, or another debugger was first. */
static enum status thread_arm(const struct remote_debug *debug,
                              struct remote_debug_thread *thread) {
    const struct remote_offsets *offsets = &debug->offsets;
    uint32_t pending = 0;
    bool ours = true;
    enum status status = place_check(debug, thread->state);
    if (status == STATUS_OK) {
        status =
            memory_write_get(&debug->door, raddr_add(thread->state, offsets->thread.pending_call),
                             &pending, sizeof pending);
    }
    if (status == STATUS_OK && pending != 0) {
        status = pending == 1 ? request_is_ours(debug, thread->state, &ours) : STATUS_CORRUPT;
    }
    if (status == STATUS_OK && !ours) {
        return STATUS_TORN;
    }
    if (status == STATUS_OK && pending != 0) {
        status = byte_write(debug, thread->state, offsets->thread.pending_call, 0);
    }
    if (status == STATUS_OK) {
        status = thread_check(debug, thread);
    }
    if (status == STATUS_OK) {
        status =
            memory_write_put(&debug->door, raddr_add(thread->state, offsets->thread.script_path),
                             debug->script, strlen(debug->script) + 1);
    }
    if (status == STATUS_OK) {
        status = byte_write(debug, thread->state, offsets->thread.pending_call, 1);
    }
    if (status == STATUS_OK) {
        thread->armed = true;
        status = breaker_ring(debug, thread->state);
    }
    return status;
}

/* Whether the request still waits there. TORN: the thread has left. */
static enum status thread_pending(const struct remote_debug *debug,
                                  const struct remote_debug_thread *thread, uint32_t *out) {
    enum status status = thread_check(debug, thread);
    return status == STATUS_OK
               ? memory_write_get(&debug->door,
                                  raddr_add(thread->state, debug->offsets.thread.pending_call), out,
                                  sizeof *out)
               : status;
}

static enum status thread_disarm(struct remote_debug *debug, struct remote_debug_thread *thread) {
    if (!thread->armed) {
        return STATUS_OK;
    }
    uint32_t pending = 0;
    enum status status = thread_pending(debug, thread, &pending);
    if (status == STATUS_OK && pending == 0) {
        debug->takers++;
    } else if (status == STATUS_OK) {
        status = byte_write(debug, thread->state, debug->offsets.thread.pending_call, 0);
    }
    if (status == STATUS_OK || status == STATUS_TORN) { /* one that has left asks for nothing */
        thread->armed = false;
        status = STATUS_OK;
    }
    return status;
}

/* Whoever holds the GIL now, unless it is known; the oldest that is not asked makes room. */
static enum status holder_note(struct remote_debug *debug) {
    const struct remote_offsets *offsets = &debug->offsets;
    uint32_t locked = 0;
    uint64_t holder = 0;
    uint64_t id = 0;
    enum status status = memory_write_get(
        &debug->door, raddr_add(debug->interpreter, offsets->interpreter.gil_locked), &locked,
        sizeof locked);
    if (status == STATUS_OK) {
        status = word_read(debug, debug->interpreter, offsets->interpreter.gil_holder, &holder);
    }
    if (status != STATUS_OK || locked != 1 || holder == 0) {
        return status;
    }
    struct raddr state = raddr_make(holder);
    status = state_check(debug, state, &id);
    if (status != STATUS_OK) {
        return status == STATUS_TORN ? STATUS_OK : status;
    }
    struct remote_debug_thread *place = NULL;
    for (size_t i = 0; i < debug->thread_count; ++i) {
        struct remote_debug_thread *thread = &debug->threads[i];
        if (raddr_equal(thread->state, state) && thread->id == id) {
            if (thread->armed || now_ns() - thread->seen_ns < SETTLED_NS) {
                return STATUS_OK;
            }
            status = thread_arm(debug, thread);
            return status == STATUS_GONE || status == STATUS_SYS ? status : STATUS_OK;
        }
        if (!thread->armed && (place == NULL || thread->seen_ns < place->seen_ns)) {
            place = thread;
        }
    }
    if (debug->thread_count < REMOTE_DEBUG_THREADS_MAX) {
        place = &debug->threads[debug->thread_count++];
    }
    if (place != NULL) {
        *place = (struct remote_debug_thread){.state = state, .id = id, .seen_ns = now_ns()};
    }
    return STATUS_OK;
}

static enum status offsets_read(struct remote_debug *debug, struct error *error) {
    uint8_t bytes[OFFSETS_MAX];
    const struct py_layout *layout = &debug->runtime->layout;
    size_t size = debug_offsets_size(layout->minor);
    struct error reason = {.text = ""};
    if (size > sizeof bytes) {
        return error_set(error, STATUS_UNSUPPORTED, "the debug offsets of process %d are too many",
                         debug->process->pid);
    }
    enum status status = memory_write_get(&debug->door, debug->runtime->address, bytes, size);
    if (status != STATUS_OK) {
        return error_set(error, status, "cannot read the debug offsets of process %d",
                         debug->process->pid);
    }
    status = remote_offsets_take(bytes, size, layout, &debug->offsets, &reason);
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(error, status,
                           "cannot get the shim into process %d: %s; it is sampled from outside",
                           debug->process->pid, reason.text);
}

/* Finds the main interpreter and its main thread, and asks whether the owner allows it. */
static enum status main_find(struct remote_debug *debug, struct error *error) {
    const struct py_layout *layout = &debug->runtime->layout;
    pid_t pid = debug->process->pid;
    uint64_t finalizing = 0;
    uint64_t main_state = 0;
    uint32_t allowed = 0;
    enum status status =
        word_read(debug, debug->runtime->address, layout->runtime.finalizing, &finalizing);
    if (status == STATUS_OK && finalizing != 0) {
        return error_set(error, STATUS_TORN, "the Python in process %d is just ending", pid);
    }
    if (status == STATUS_OK) {
        status = interpreter_main(&debug->door, debug->runtime, &debug->interpreter);
    }
    if (status == STATUS_OK) {
        status = memory_write_get(
            &debug->door, raddr_add(debug->interpreter, debug->offsets.interpreter.remote_debug),
            &allowed, sizeof allowed);
    }
    if (status == STATUS_OK && allowed != 1) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "the owner of process %d has disabled remote debugging "
                         "(PYTHON_DISABLE_REMOTE_DEBUG, -X disable-remote-debug, or a Python built "
                         "without it), so the shim stays out; it is sampled from outside",
                         pid);
    }
    if (status == STATUS_OK) {
        status = word_read(debug, debug->interpreter, debug->offsets.interpreter.threads_main,
                           &main_state);
    }
    struct remote_debug_thread *main_thread = &debug->threads[0];
    main_thread->state = raddr_make(main_state);
    if (status == STATUS_OK) {
        status = state_check(debug, main_thread->state, &main_thread->id);
    }
    if (status != STATUS_OK) {
        return error_set(error, status,
                         "the main thread of the Python in process %d cannot be found: %s", pid,
                         status_name(status));
    }
    debug->thread_count = 1;
    return STATUS_OK;
}

static enum status script_take(struct remote_debug *debug, const char *script,
                               struct error *error) {
    size_t size = strlen(script) + 1;
    if (size > sizeof debug->script) {
        return error_set(error, STATUS_UNSUPPORTED, "the script's path is too long");
    }
    memcpy(debug->script, script, size);
    return STATUS_OK;
}

static enum status request_make(struct remote_debug *debug, const char *script,
                                struct error *error) {
    enum status status = memory_write_open(debug->process, &debug->door, error);
    if (status == STATUS_OK) {
        status = offsets_read(debug, error);
    }
    if (status == STATUS_OK) {
        status = main_find(debug, error);
    }
    if (status == STATUS_OK) {
        status = script_take(debug, script, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = thread_arm(debug, &debug->threads[0]);
    if (status == STATUS_TORN) {
        return error_set(error, status,
                         "another debugger's request waits in process %d, or its main thread has "
                         "changed",
                         debug->process->pid);
    }
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(error, status, "cannot ask process %d to load the shim: %s",
                           debug->process->pid, status_name(status));
}

enum status remote_debug_arm(const struct process *process, const struct runtime *runtime,
                             const char *script, struct remote_debug *out, struct error *error) {
    struct remote_debug debug = REMOTE_DEBUG_NONE;
    debug.process = process;
    debug.runtime = runtime;
    enum status status = request_make(&debug, script, error);
    if (status != STATUS_OK) {
        (void)thread_disarm(&debug, &debug.threads[0]);
        remote_debug_deinit(&debug);
        return status;
    }
    *out = debug;
    return STATUS_OK;
}

enum status remote_debug_look(struct remote_debug *debug, bool *taken) {
    bool found = false;
    for (size_t i = 0; i < debug->thread_count; ++i) {
        struct remote_debug_thread *thread = &debug->threads[i];
        if (!thread->armed) {
            continue;
        }
        uint32_t pending = 0;
        enum status status = thread_pending(debug, thread, &pending);
        if (status == STATUS_TORN && i > 0) { /* it has left */
            thread->armed = false;
            continue;
        }
        if (status == STATUS_OK && pending != 0) {
            status = breaker_ring(debug, thread->state);
        } else if (status == STATUS_OK) {
            thread->armed = false;
            debug->takers++;
            found = true;
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    enum status status = found ? remote_debug_withdraw(debug) : holder_note(debug);
    if (status == STATUS_OK) {
        *taken = found;
    }
    return status;
}

enum status remote_debug_withdraw(struct remote_debug *debug) {
    enum status worst = STATUS_OK;
    for (size_t i = 0; i < debug->thread_count; ++i) {
        enum status status = thread_disarm(debug, &debug->threads[i]);
        worst = status == STATUS_OK ? worst : status;
    }
    return worst;
}

void remote_debug_deinit(struct remote_debug *debug) {
    memory_write_close(&debug->door);
    *debug = REMOTE_DEBUG_NONE;
}

enum status remote_debug_waits(const struct process *process, const struct runtime *runtime,
                               bool *waits) {
    struct remote_debug debug = REMOTE_DEBUG_NONE;
    struct error ignored;
    uint64_t state = 0;
    uint32_t pending = 0;
    debug.process = process;
    debug.runtime = runtime;
    enum status status = memory_write_open(process, &debug.door, &ignored);
    if (status == STATUS_OK) {
        status = offsets_read(&debug, &ignored);
    }
    if (status == STATUS_OK) {
        status = main_find(&debug, &ignored);
    }
    if (status == STATUS_OK) {
        status =
            word_read(&debug, debug.interpreter, runtime->layout.interpreter.threads_head, &state);
    }
    for (unsigned i = 0; status == STATUS_OK && state != 0 && pending == 0; ++i) {
        struct raddr at = raddr_make(state + debug.offsets.thread.pending_call);
        status = i == STATES_MAX ? STATUS_CORRUPT
                                 : memory_write_get(&debug.door, at, &pending, sizeof pending);
        if (status == STATUS_OK) {
            status = word_read(&debug, raddr_make(state), runtime->layout.thread.next, &state);
        }
    }
    memory_write_close(&debug.door);
    if (status == STATUS_OK) {
        *waits = pending != 0;
    }
    return status;
}
