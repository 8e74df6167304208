#include "shim/stack_room.h"

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    PAGE = 4096,
    KERNEL_MASK = 8, /* bytes of a set of signals */
};

/* Whether the kernel can write there, which it tells without a signal. */
static bool is_writable(uintptr_t address) {
    return syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, address, KERNEL_MASK) == 0;
}

/* Not inlined: a page below its own small frame is nobody's. Page after page, so as not to step
 * over a guard page. */
__attribute__((noinline)) bool stack_room_is(size_t bytes) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)(KERNEL_MASK - 1);
    stack_t alternate;
    if (sigaltstack(NULL, &alternate) != 0 || (alternate.ss_flags & SS_ONSTACK) != 0) {
        return false;
    }
    for (size_t depth = PAGE; depth < bytes + PAGE; depth += PAGE) {
        if (depth >= here || !is_writable(here - depth)) {
            return false;
        }
    }
    return true;
}
