/* bell: what one thread waits for and any other rings: that there is news. A futex; the waiter owns
 * it, and it outlives whoever may ring it. Ringing never blocks.
 *
 *     uint32_t heard = bell_heard(&bell);
 *     if (!there_is_news()) bell_wait(&bell, heard, timeout_ns);
 *
 * News that comes after bell_heard makes bell_wait return at once. */
#ifndef ECHION_COMMON_BELL_H
#define ECHION_COMMON_BELL_H

#include <stdatomic.h>
#include <stdint.h>

/* A timeout that never comes. */
#define BELL_FOREVER UINT64_MAX

struct bell {
    _Atomic uint32_t rings;
};

/* Any thread. What was written before it is seen by who hears it. */
void bell_ring(struct bell *bell);

/* How often it has been rung. */
static inline uint32_t bell_heard(struct bell *bell) {
    return atomic_load_explicit(&bell->rings, memory_order_acquire);
}

/* Waits until it has been rung since it was `heard`, or for `timeout_ns`; it may also return
 * early. */
void bell_wait(struct bell *bell, uint32_t heard, uint64_t timeout_ns);

#endif
