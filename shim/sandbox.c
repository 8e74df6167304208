#include "shim/sandbox.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/symbols.h"

static atomic_bool entered;
static void *next; /* the prctl that comes after ours */

void sandbox_begin(void) {
    next = symbols_find_next("prctl");
}

bool sandbox_is_entered(void) {
    return atomic_load_explicit(&entered, memory_order_relaxed);
}

/* Takes note, and calls the one that comes after it. */
__attribute__((visibility("default"))) int prctl(int option, ...) {
    va_list list;
    unsigned long arguments[4];
    va_start(list, option);
    for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
        arguments[i] = va_arg(list, unsigned long); /* as glibc's own does: those that are not there
                                                       are not looked at */
    }
    va_end(list);
    if (option == PR_SET_SECCOMP || option == PR_SET_NO_NEW_PRIVS) {
        atomic_store_explicit(&entered, true, memory_order_relaxed);
    }
    int (*call)(int, ...) = next;
    if (call == NULL) { /* another library's constructor may run before ours */
        return (int)syscall(SYS_prctl, option, arguments[0], arguments[1], arguments[2],
                            arguments[3]);
    }
    return call(option, arguments[0], arguments[1], arguments[2], arguments[3]);
}
