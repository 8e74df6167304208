#include "common/bell.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

void bell_ring(struct bell *bell) {
    atomic_fetch_add_explicit(&bell->rings, 1, memory_order_release);
    (void)syscall(SYS_futex, &bell->rings, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void bell_wait(struct bell *bell, uint32_t heard, uint64_t timeout_ns) {
    const struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                                     .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    (void)syscall(SYS_futex, &bell->rings, FUTEX_WAIT_PRIVATE, heard,
                  timeout_ns == BELL_FOREVER ? NULL : &timeout, NULL, 0);
}
