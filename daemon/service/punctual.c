/* Cold: once per thread. */
#include "daemon/service/punctual.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLICE_NS = 100 * 1000 }; /* the shortest that the kernel grants */

void punctual_be(void) {
    /* By default a timer may be 50 us late, half of the shortest usual interval. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    /* Who asks for short slices goes before a thread that runs (PREEMPT_SHORT in
     * kernel/sched/features.h, Linux 6.12; before, the field is not looked at). The writer may
     * share the sampler's core, and would else keep it for milliseconds. */
    struct sched_attr attributes = {.size = sizeof attributes};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0U) == 0 &&
        attributes.sched_policy == SCHED_NORMAL) {
        attributes.sched_runtime = SLICE_NS;
        (void)syscall(SYS_sched_setattr, 0, &attributes, 0U);
    }
}
