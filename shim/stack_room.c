#include "shim/stack_room.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    PAGE = 4096,
    KERNEL_MASK = 8, /* bytes of a set of signals */
    NOTHING = -1,    /* none of SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK */
};

/* Whether there is memory, which the kernel tells without a signal, and without touching it: it
 * reads the set of signals first, and then finds that it was not told what to do with it. */
static bool is_there(uintptr_t address) {
    return syscall(SYS_rt_sigprocmask, NOTHING, address, NULL, KERNEL_MASK) != 0 && errno == EINVAL;
}

/* Not inlined, so that its own frame is the lowest. Page after page, so as not to step over a guard
 * page. */
__attribute__((noinline)) bool stack_room_is(size_t bytes) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)(KERNEL_MASK - 1);
    stack_t alternate;
    if (sigaltstack(NULL, &alternate) != 0 || (alternate.ss_flags & SS_ONSTACK) != 0) {
        return false;
    }
    for (size_t depth = PAGE; depth < bytes + PAGE; depth += PAGE) {
        if (depth >= here || !is_there(here - depth)) {
            return false;
        }
    }
    return true;
}
