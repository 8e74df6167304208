#include "daemon/inject/pending_call.h"

#include <time.h>

#include "daemon/inject/call_queue.h"
#include "daemon/inject/eval_breaker.h"
#include "daemon/inject/eval_state.h"
#include "daemon/inject/simple_string.h"
#include "daemon/python/interpreter.h"
#include "daemon/target/mappings.h"

enum {
    HOOKS_MAX = 3,        /* stops for another thread than the main one */
    STOPS_MAX = 3,        /* for one request: each again only because the target was faster */
    PATIENCE_MS = 200,    /* how long we wait until it could be asked */
    READING_MS = 200,     /* in which a thread that has taken a call will have read its text */
    PATIENCE_STEP_MS = 2, /* between two looks at that */
};

/* One attempt, before and during the stop. */
struct attempt {
    struct pending_call *call;
    struct call_queue queue; /* as last read */
    unsigned cell; /* where the snippet stands if the call has to be put in; SNIPPET_CELLS: none */
    const char *why; /* TORN: what is in the way */
};

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static struct eval_state eval_of(const struct pending_call *call) {
    return (struct eval_state){.door = &call->door,
                               .runtime = call->runtime,
                               .layout = call->eval,
                               .pending = &call->layout,
                               .base = call->base,
                               .interpreter = call->interpreter,
                               .main_thread = call->main_thread};
}

static enum status not_now(struct attempt *attempt, const char *why) {
    attempt->why = why;
    return STATUS_TORN;
}

static enum status finalizing_look(const struct pending_call *call, bool *finalizing) {
    uint64_t thread = 0;
    struct raddr at = raddr_add(call->runtime->address, call->runtime->layout.runtime.finalizing);
    enum status status = memory_write_get_word(&call->door, at, &thread);
    if (status == STATUS_OK) {
        *finalizing = thread != 0;
    }
    return status;
}

/* Whether the interpreter that was found is still there and does not end. */
static enum status interpreter_look(const struct pending_call *call, bool *good) {
    struct raddr interpreter = RADDR_NULL;
    bool finalizing = false;
    enum status status = finalizing_look(call, &finalizing);
    if (status == STATUS_OK && !finalizing) {
        status = interpreter_main(&call->door, call->runtime, &interpreter);
    }
    if (status == STATUS_TORN) {
        *good = false;
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        *good = !finalizing && raddr_equal(interpreter, call->interpreter);
    }
    return status;
}

/* Whether the thread that will make the call can nest some more. */
static enum status frames_look(struct attempt *attempt) {
    const struct pending_call *call = attempt->call;
    struct eval_state eval = eval_of(call);
    struct raddr runner = call->main_thread;
    struct raddr holder = RADDR_NULL;
    uint64_t id = 0;
    int32_t left = 0;
    enum status status = eval_state_holder(&eval, &holder, &id);
    if (!call->eval->main_runs_calls && !raddr_is_null(holder)) {
        runner = holder;
    }
    if (status == STATUS_OK) {
        status = eval_state_frames_left(&eval, runner, &left);
    }
    return status == STATUS_OK && left < EVAL_FRAMES_LEAST
               ? not_now(attempt, "it is too close to its recursion limit")
               : status;
}

/* Whether the target could be asked now; reads its queue. TORN: not now. */
static enum status target_look(struct attempt *attempt) {
    const struct pending_call *call = attempt->call;
    bool good = false;
    uint64_t id = 0;
    enum status status = interpreter_look(call, &good);
    if (status == STATUS_OK && !good) {
        return not_now(attempt, "it is just ending");
    }
    if (status == STATUS_OK) {
        status = interpreter_thread(&call->door, call->runtime, call->interpreter,
                                    call->main_thread, &id);
        if (status == STATUS_TORN || (status == STATUS_OK && id != call->main_id)) {
            return not_now(attempt, "its main thread has changed");
        }
    }
    if (status == STATUS_OK) {
        status = call_queue_read(&call->door, raddr_add(call->base, call->layout.queue),
                                 &call->layout, &attempt->queue);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (attempt->queue.finishing) {
        return not_now(attempt, "it is just ending");
    }
    if (attempt->queue.locked) {
        return not_now(attempt, "its queue of pending calls is locked");
    }
    return frames_look(attempt);
}

/* Whether our call waits in the queue, with which cell as its argument, and where. */
static bool call_find(const struct attempt *attempt, unsigned *cell, uint32_t *index) {
    const struct pending_call *call = attempt->call;
    for (unsigned i = 0; i < SNIPPET_CELLS; ++i) {
        if (call_queue_find(&attempt->queue, call->function, snippet_area_cell(&call->area, i),
                            index)) {
            *cell = i;
            return true;
        }
    }
    return false;
}

/* Puts the text into the cell of a call that waits: nobody reads it before the call is made. */
static enum status cell_renew(struct attempt *attempt, unsigned cell) {
    const struct pending_call *call = attempt->call;
    bool same = false;
    enum status status = snippet_area_has(&call->door, &call->area, cell, &call->snippet, &same);
    if (status != STATUS_OK) {
        return status;
    }
    status = same ? snippet_area_switch(&call->door, &call->area, cell, SNIPPET_ON)
                  : snippet_area_write(&call->door, &call->area, cell, &call->snippet);
    return status == STATUS_OK ? snippet_area_set_last(&call->door, &call->area, cell) : status;
}

/* Puts the call in, whose text stands in a cell already. */
static enum status call_put(struct attempt *attempt) {
    const struct pending_call *call = attempt->call;
    bool same = false;
    if (call_queue_is_full(&attempt->queue)) {
        return not_now(attempt, "its queue of pending calls is full");
    }
    enum status status =
        snippet_area_has(&call->door, &call->area, attempt->cell, &call->snippet, &same);
    if (status == STATUS_OK && !same) {
        return not_now(attempt, "somebody else uses the room for the snippet");
    }
    if (status == STATUS_OK) {
        status = snippet_area_switch(&call->door, &call->area, attempt->cell, SNIPPET_ON);
    }
    if (status == STATUS_OK) {
        status = snippet_area_set_last(&call->door, &call->area, attempt->cell);
    }
    return status == STATUS_OK ? call_queue_put(&call->door, &attempt->queue, call->function,
                                                snippet_area_cell(&call->area, attempt->cell))
                               : status;
}

/* Finishes what a daemon that was killed has begun: its call is the last one. */
static enum status half_put_complete(struct attempt *attempt) {
    const struct call_queue *queue = &attempt->queue;
    unsigned cell = 0;
    uint32_t index = 0;
    if (!call_queue_is_half_put(queue)) {
        return STATUS_OK;
    }
    bool ours = (uint32_t)queue->count + 1 == call_queue_length(queue) &&
                call_find(attempt, &cell, &index) &&
                (index + 1) % queue->layout->slots == queue->next;
    return ours ? call_queue_complete(&attempt->call->door, queue) : STATUS_CORRUPT;
}

/* What is done while all threads stand still. */
static enum status stopped_work(void *context) {
    struct attempt *attempt = context;
    struct pending_call *call = attempt->call;
    unsigned cell = 0;
    uint32_t index = 0;
    unsigned last = 0;
    enum status status = target_look(attempt);
    if (status == STATUS_OK) {
        status = half_put_complete(attempt);
    }
    if (status == STATUS_OK) {
        status = snippet_area_last(&call->door, &call->area, &last);
    }
    if (status != STATUS_OK) {
        return status;
    }
    bool waits = call_find(attempt, &cell, &index);
    bool free = attempt->cell != SNIPPET_CELLS && attempt->cell != last;
    status = waits  ? cell_renew(attempt, cell)
             : free ? call_put(attempt)
                    : not_now(attempt, "an earlier call has just been made");
    if (status != STATUS_OK) {
        return status;
    }
    call->cell = waits ? cell : attempt->cell;
    call->asked = true;
    struct eval_state eval = eval_of(call);
    return eval_breaker_set(&call->breaker, &eval, true);
}

/* Waits until the target could be asked, without stopping it. */
static enum status target_await(struct attempt *attempt) {
    enum status status = target_look(attempt);
    for (int waited = 0; status == STATUS_TORN && waited < PATIENCE_MS;
         waited += PATIENCE_STEP_MS) {
        struct timespec step = {.tv_nsec = PATIENCE_STEP_MS * 1000000L};
        (void)nanosleep(&step, NULL);
        status = target_look(attempt);
    }
    return status;
}

/* Writes the text into the cell for a call that has to be put in: the one that the last did not
 * take, where nobody can be reading any more. Where it is not known which one that is, both are
 * given time. */
static enum status cell_prepare(struct attempt *attempt) {
    struct pending_call *call = attempt->call;
    unsigned waiting = 0;
    uint32_t index = 0;
    unsigned last = 0;
    bool same = false;
    enum status status = snippet_area_last(&call->door, &call->area, &last);
    if (status != STATUS_OK || call_find(attempt, &waiting, &index)) {
        return status;
    }
    if (last == SNIPPET_CELLS) {
        struct timespec reading = {.tv_nsec = READING_MS * 1000000L};
        (void)nanosleep(&reading, NULL);
    }
    attempt->cell = last == 0 ? 1 : 0;
    status = snippet_area_has(&call->door, &call->area, attempt->cell, &call->snippet, &same);
    return status == STATUS_OK && !same
               ? snippet_area_write(&call->door, &call->area, attempt->cell, &call->snippet)
               : status;
}

static enum status attempt_fail(const struct attempt *attempt, enum status status,
                                struct error *error) {
    int pid = attempt->call->process->pid;
    return attempt->why != NULL
               ? error_set(error, status, "process %d cannot be asked to load the shim now: %s",
                           pid, attempt->why)
               : error_set(error, status, "cannot ask process %d to load the shim: %s", pid,
                           status_name(status));
}

static enum status attempt_run(struct attempt *attempt, struct error *error) {
    struct pending_call *call = attempt->call;
    attempt->why = NULL;
    attempt->cell = SNIPPET_CELLS;
    enum status status = target_await(attempt);
    if (status == STATUS_OK) {
        attempt->why = NULL;
        status = cell_prepare(attempt);
    }
    if (status != STATUS_OK) {
        return attempt_fail(attempt, status, error);
    }
    struct error reason = {.text = ""};
    status = stop_run(call->process, stopped_work, attempt, &call->stop, &reason);
    if (status != STATUS_OK && reason.text[0] != '\0') {
        return error_set(error, status, "%s", reason.text);
    }
    return status == STATUS_OK ? STATUS_OK : attempt_fail(attempt, status, error);
}

/* Whether the target itself may write to all of these bytes: the door would not ask. */
static bool place_is_writable(const struct mappings *mappings, struct raddr start, uint64_t size) {
    uint64_t end = start.v + size;
    while (start.v < end) {
        const struct mapping *mapping = mappings_find(mappings, start);
        if (mapping == NULL || !mapping->writable || mapping->shared) {
            return false;
        }
        start = mapping->end;
    }
    return true;
}

static bool places_are_writable(const struct pending_call *call, const struct mappings *mappings) {
    uint32_t size = call_queue_size(&call->layout, call->door.word_size);
    return size != 0 &&
           place_is_writable(mappings, raddr_add(call->base, call->layout.queue), size) &&
           (call->layout.breaker_in_thread ||
            place_is_writable(mappings, raddr_add(call->base, call->layout.breaker),
                              sizeof(uint32_t)));
}

/* Finds the interpreter, its main thread, and where its queue is. */
static enum status interpreter_open(struct pending_call *call, const struct mappings *mappings,
                                    struct error *error) {
    pid_t pid = call->process->pid;
    bool finalizing = false;
    enum status status = finalizing_look(call, &finalizing);
    if (status == STATUS_OK && finalizing) {
        return error_set(error, STATUS_TORN, "the Python in process %d is just ending", pid);
    }
    if (status == STATUS_OK) {
        status = interpreter_main(&call->door, call->runtime, &call->interpreter);
    }
    if (status == STATUS_OK) {
        status = interpreter_oldest_thread(&call->door, call->runtime, call->interpreter,
                                           &call->main_thread, &call->main_id);
    }
    if (status != STATUS_OK) {
        return error_set(error, status,
                         "the main thread of the Python in process %d cannot be found: %s", pid,
                         status_name(status));
    }
    call->base = call->layout.in_interpreter ? call->interpreter : call->runtime->address;
    return places_are_writable(call, mappings)
               ? STATUS_OK
               : error_set(error, STATUS_CORRUPT,
                           "the queue of pending calls is not where process %d can write", pid);
}

static enum status snippet_prepare(struct pending_call *call, const struct mappings *mappings,
                                   const char *library, struct error *error) {
    const struct process *process = call->process;
    enum status status =
        simple_string_find(process, call->runtime, mappings, &call->function, error);
    if (status == STATUS_OK) {
        status = snippet_area_find(process, &call->door, call->runtime, mappings,
                                   SNIPPET_CELLS + (call->eval->main_runs_calls ? 1 : 0),
                                   &call->area, error);
    }
    if (status == STATUS_OK) {
        status = snippet_make(library, process->own_pid, &call->snippet, error);
    }
    if (status == STATUS_OK) {
        status = snippet_make_hook(library, process->own_pid, &call->hook.snippet, &call->hook.off,
                                   error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (call->hook.snippet.length >= call->area.cell_size) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "process %d has no room for a path as long as that of the shim: %s",
                         process->pid, library);
    }
    status = snippet_area_claim(&call->door, &call->area);
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(error, status, "cannot write to the memory of process %d: %s",
                           process->pid, status_name(status));
}

static enum status request_prepare(struct pending_call *call, const char *library,
                                   struct error *error) {
    struct mappings mappings = MAPPINGS_NONE;
    enum status status = memory_write_open(call->process, &call->door, error);
    if (status == STATUS_OK) {
        status = mappings_read(call->process, &mappings, error);
    }
    if (status == STATUS_OK) {
        status = interpreter_open(call, &mappings, error);
    }
    if (status == STATUS_OK) {
        status = snippet_prepare(call, &mappings, library, error);
    }
    mappings_deinit(&mappings);
    return status;
}

enum status pending_call_arm(const struct process *process, const struct runtime *runtime,
                             const struct pending_layout *layout, const char *library,
                             struct pending_call *out, struct error *error) {
    struct pending_call call = PENDING_CALL_NONE;
    call.process = process;
    call.runtime = runtime;
    call.layout = *layout;
    call.eval = eval_layout_find(runtime->layout.minor, runtime->layout.word_size);
    if (call.eval == NULL) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "process %d runs a Python whose pending calls this echiond does not use",
                         process->pid);
    }
    struct attempt attempt = {.call = &call};
    enum status status = request_prepare(&call, library, error);
    if (status == STATUS_OK) {
        status = attempt_run(&attempt, error);
        for (int i = 1; i < STOPS_MAX && status == STATUS_TORN && attempt.why != NULL; ++i) {
            status = attempt_run(&attempt, error);
        }
    }
    if (status != STATUS_OK) {
        (void)!pending_call_withdraw(&call);
        pending_call_deinit(&call);
        return status;
    }
    call.asked_ns = now_ns();
    *out = call;
    return STATUS_OK;
}

/* Whether another thread than the main one has taken the snippet, as a profile hook; gives it to
 * one if it is time. What a stop cannot do now is no failure: the call still waits. */
static enum status hook_look(struct pending_call *call, bool *taken) {
    struct eval_state eval = eval_of(call);
    struct profile_hook_place place = {
        .process = call->process, .eval = &eval, .area = &call->area, .function = call->function};
    bool useful = false;
    if (!raddr_is_null(call->hook.thread)) {
        return profile_hook_taken(&place, &call->hook, taken);
    }
    if (!call->eval->main_runs_calls || call->hooks_tried == HOOKS_MAX ||
        now_ns() - call->asked_ns < PENDING_CALL_MAIN_MS * UINT64_C(1000000)) {
        return STATUS_OK;
    }
    enum status status = profile_hook_look(&place, &useful);
    if (status == STATUS_OK && useful) {
        ++call->hooks_tried;
        status = profile_hook_set(&place, &call->hook, NULL);
    }
    return status == STATUS_GONE || status == STATUS_SYS ? status : STATUS_OK;
}

enum status pending_call_look(struct pending_call *call, bool *taken) {
    struct call_queue queue;
    uint32_t index = 0;
    bool good = false;
    enum status status = interpreter_look(call, &good);
    if (status == STATUS_OK && !good) {
        return STATUS_TORN;
    }
    if (status == STATUS_OK) {
        status = call_queue_read(&call->door, raddr_add(call->base, call->layout.queue),
                                 &call->layout, &queue);
    }
    if (status != STATUS_OK) {
        return status;
    }
    bool waits =
        call_queue_find(&queue, call->function, snippet_area_cell(&call->area, call->cell), &index);
    if (waits && eval_breaker_is_due(&call->breaker, queue.count)) {
        struct eval_state eval = eval_of(call);
        status = eval_breaker_set(&call->breaker, &eval, false);
    }
    bool hooked = false;
    if (waits && status == STATUS_OK) {
        status = hook_look(call, &hooked);
    }
    /* The other way is closed. The text that has been taken stays: it may not have been read yet.
     */
    if (status == STATUS_OK && hooked) {
        status = snippet_area_switch(&call->door, &call->area, call->cell, SNIPPET_OFF);
    } else if (status == STATUS_OK && !waits && !raddr_is_null(call->hook.thread)) {
        status = profile_hook_drop(&call->door, &call->area, &call->hook);
    }
    if (status == STATUS_OK) {
        *taken = hooked || !waits;
    }
    return status;
}

enum status pending_call_withdraw(struct pending_call *call) {
    unsigned last = 0;
    if (!call->asked) {
        return STATUS_OK;
    }
    enum status status = snippet_area_last(&call->door, &call->area, &last);
    if (status == STATUS_OK) {
        status = snippet_area_switch(&call->door, &call->area, call->cell, SNIPPET_OFF);
    }
    if (status == STATUS_OK && !raddr_is_null(call->hook.thread)) {
        status = profile_hook_drop(&call->door, &call->area, &call->hook);
    }
    if (status == STATUS_OK) {
        call->asked = false;
    }
    return status;
}

void pending_call_deinit(struct pending_call *call) {
    memory_write_close(&call->door);
    *call = PENDING_CALL_NONE;
}
