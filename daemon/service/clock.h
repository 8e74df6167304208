/* clock: CLOCK_MONOTONIC in nanoseconds. Any thread; no system call where the vDSO has it. */
#ifndef ECHION_DAEMON_SERVICE_CLOCK_H
#define ECHION_DAEMON_SERVICE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_US UINT64_C(1000)
#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_S UINT64_C(1000000000)

static inline uint64_t clock_now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline struct timespec clock_timespec(uint64_t ns) {
    return (struct timespec){.tv_sec = (time_t)(ns / CLOCK_NS_PER_S),
                             .tv_nsec = (long)(ns % CLOCK_NS_PER_S)};
}

/* Milliseconds from now until then, rounded up, as poll takes them. */
static inline int clock_milliseconds_until(uint64_t due_ns) {
    uint64_t now_ns = clock_now_ns();
    return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS);
}

#endif
