#include "daemon/inject/eval_breaker.h"

#include <time.h>

/* Bits of 3.13's PyThreadState.eval_breaker beside the one for calls
 * (Include/internal/pycore_ceval.h, _PY_SIGNALS_PENDING_BIT and _PY_ASYNC_EXCEPTION_BIT). */
enum { BREAKER_SIGNALS = 1 << 1, BREAKER_ASYNC_EXCEPTION = 1 << 3 };

/* How long it may take to be noticed before we believe that it was lost. */
#define NOTICED_NS UINT64_C(50000000)

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* 3.13: sets the bit for whoever has the GIL; everybody else looks at the queue when taking it
 * (Python/ceval_gil.c, update_eval_breaker_for_thread). Without a stop the byte is written only
 * while it is 0, for the reasons that stand at remote_debug.c's breaker_ring, and only if the
 * thread is not new: it could just be ending. */
static enum status thread_set(struct eval_breaker *breaker, const struct eval_state *eval,
                              bool stopped) {
    struct raddr holder = RADDR_NULL;
    uint64_t id = 0;
    uint8_t events = 0;
    enum status status = eval_state_holder(eval, &holder, &id);
    if (status != STATUS_OK || raddr_is_null(holder)) {
        return status;
    }
    bool known = raddr_equal(holder, breaker->holder) && id == breaker->holder_id;
    breaker->holder = holder;
    breaker->holder_id = id;
    struct raddr at = raddr_add(holder, eval->pending->breaker);
    status = memory_write_get(eval->door, at, &events, sizeof events);
    if (status != STATUS_OK || (!stopped && (!known || events != 0))) {
        return status;
    }
    events = (uint8_t)(events | eval->pending->breaker_mask);
    if (!stopped) {
        events |= BREAKER_SIGNALS | BREAKER_ASYNC_EXCEPTION;
    }
    return memory_write_put(eval->door, at, &events, sizeof events);
}

/* Sets an int of the target's to 1, unless it is set. */
static enum status flag_set(const struct eval_state *eval, struct raddr at) {
    uint32_t value = 0;
    enum status status = memory_write_get(eval->door, at, &value, sizeof value);
    if (status == STATUS_OK && value == 0) {
        value = 1;
        status = memory_write_put(eval->door, at, &value, sizeof value);
    }
    return status;
}

/* Whether the main thread is the interpreter's only one. */
static enum status alone_look(const struct eval_state *eval, bool *alone) {
    uint64_t head = 0;
    uint32_t offset = eval->runtime->layout.interpreter.threads_head;
    enum status status =
        memory_write_get_word(eval->door, raddr_add(eval->interpreter, offset), &head);
    if (status == STATUS_OK) {
        *alone = head == eval->main_thread.v;
    }
    return status;
}

/* To 3.12: says that there are calls to be made, and breaks the evaluation. Whoever notices takes
 * both back, also when the queue is empty: so this may come too late without a stop, as long as the
 * former is written first.
 *
 * Where only the main thread makes calls, the breaker is set only while it has the GIL: another
 * thread would leave it set, and run the slower for it. When the main thread takes the GIL, it sets
 * the breaker by itself if there are calls to be made (3.9 to 3.11: Python/ceval_gil.h, take_gil).
 * 3.8 does not, and there the former alone makes others set the breaker (Python/ceval.c,
 * COMPUTE_EVAL_BREAKER): so it has to be caught while it has the GIL, unless there are no others.
 */
static enum status evaluation_set(const struct eval_state *eval) {
    struct raddr holder = RADDR_NULL;
    uint64_t id = 0;
    bool alone = false;
    enum status status = eval_state_holder(eval, &holder, &id);
    if (status == STATUS_OK && eval->layout->calls_slow_others) {
        status = alone_look(eval, &alone);
    }
    bool noticed =
        alone || !eval->layout->main_runs_calls || raddr_equal(holder, eval->main_thread);
    if (status != STATUS_OK || (eval->layout->calls_slow_others && !noticed)) {
        return status;
    }
    status = flag_set(eval, raddr_add(eval_state_queue(eval), eval->pending->count));
    return status == STATUS_OK && noticed
               ? flag_set(eval, raddr_add(eval->base, eval->pending->breaker))
               : status;
}

enum status eval_breaker_set(struct eval_breaker *breaker, const struct eval_state *eval,
                             bool stopped) {
    breaker->set_ns = now_ns();
    return eval->pending->breaker_in_thread ? thread_set(breaker, eval, stopped)
                                            : evaluation_set(eval);
}

bool eval_breaker_is_due(const struct eval_breaker *breaker, int32_t count) {
    return count == 0 || now_ns() - breaker->set_ns >= NOTICED_NS;
}
