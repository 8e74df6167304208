#include "daemon/aggregate/handover.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { HANDOVER_BATCHES = 2, HANDOVER_LINE = 64 };

/* Batch number n is batches[n % 2]. Numbers [written, given) are the writer's; `given`, once there
 * are fewer than two of these, is the sampler's. */
struct handover {
    struct batch *batches[HANDOVER_BATCHES];
    _Alignas(HANDOVER_LINE) _Atomic uint64_t given; /* advanced by the sampler only */
    struct bell *bell; /* of the writer: `own`, or one for several hand-overs */
    struct bell own;
    _Atomic bool closed;
    _Alignas(HANDOVER_LINE) _Atomic uint64_t written; /* advanced by the writer only */
};

enum status handover_create(bool merge, struct bell *bell, struct handover **out) {
    struct handover *handover = aligned_alloc(HANDOVER_LINE, sizeof *handover);
    if (handover == NULL) {
        return STATUS_NOMEM;
    }
    *handover = (struct handover){.given = 0};
    handover->bell = bell != NULL ? bell : &handover->own;
    for (unsigned i = 0; i < HANDOVER_BATCHES; i++) {
        if (batch_create(merge, &handover->batches[i]) != STATUS_OK) {
            handover_destroy(handover);
            return STATUS_NOMEM;
        }
    }
    *out = handover;
    return STATUS_OK;
}

void handover_destroy(struct handover *handover) {
    if (handover == NULL) {
        return;
    }
    for (unsigned i = 0; i < HANDOVER_BATCHES; i++) {
        batch_destroy(handover->batches[i]);
    }
    free(handover);
}

struct batch *handover_take_empty(struct handover *handover) {
    uint64_t number = atomic_load_explicit(&handover->given, memory_order_relaxed);
    if (number - atomic_load_explicit(&handover->written, memory_order_acquire) >=
        HANDOVER_BATCHES) {
        return NULL;
    }
    return handover->batches[number % HANDOVER_BATCHES];
}

void handover_give_full(struct handover *handover, struct batch *batch) {
    (void)batch; /* by its order it is known which one it is; naming it shows that it is given up */
    atomic_fetch_add_explicit(&handover->given, 1, memory_order_release);
    bell_ring(handover->bell);
}

void handover_close(struct handover *handover) {
    atomic_store_explicit(&handover->closed, true, memory_order_release);
    bell_ring(handover->bell);
}

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

struct batch *handover_wait_full(struct handover *handover, uint64_t timeout_ns) {
    uint64_t start = timeout_ns == HANDOVER_FOREVER ? 0 : now_ns();
    uint64_t number = atomic_load_explicit(&handover->written, memory_order_relaxed);
    for (;;) {
        /* The bell comes first: news after it makes the wait return at once. Closing is read before
         * the count: a closed hand-over is given nothing more. */
        uint32_t heard = bell_heard(handover->bell);
        bool closed = atomic_load_explicit(&handover->closed, memory_order_acquire);
        if (number != atomic_load_explicit(&handover->given, memory_order_acquire)) {
            return handover->batches[number % HANDOVER_BATCHES];
        }
        if (closed) {
            return NULL;
        }
        uint64_t passed = timeout_ns == HANDOVER_FOREVER ? 0 : now_ns() - start;
        if (passed >= timeout_ns) {
            return NULL;
        }
        bell_wait(handover->bell, heard,
                  timeout_ns == HANDOVER_FOREVER ? BELL_FOREVER : timeout_ns - passed);
    }
}

void handover_give_back(struct handover *handover, struct batch *batch) {
    batch_clear(batch);
    atomic_fetch_add_explicit(&handover->written, 1, memory_order_release);
}

uint64_t handover_given(const struct handover *handover) {
    return atomic_load_explicit(&handover->given, memory_order_acquire);
}

uint64_t handover_written(const struct handover *handover) {
    return atomic_load_explicit(&handover->written, memory_order_acquire);
}

bool handover_is_finished(const struct handover *handover) {
    return atomic_load_explicit(&handover->closed, memory_order_acquire) &&
           handover_written(handover) == handover_given(handover);
}
