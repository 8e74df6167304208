#include "daemon/service/shim_notice.h"

#include "daemon/service/notice.h"

void shim_notice_say(struct shim_notice *notice, const struct shim_link *link, pid_t pid) {
    if (atomic_load(&link->up) && !notice->up) {
        notice->up = true;
        notice_explain("the shim is in process %d", (int)pid);
    }
    if (atomic_load(&link->corrupt) && !notice->nonsense) {
        notice->nonsense = true;
        notice_say("what the shim in process %d tells makes no sense (CORRUPT): sampling goes on "
                   "from outside",
                   (int)pid);
    }
    const uint32_t quits = atomic_load(&link->quits);
    if (quits != notice->quits) {
        notice->quits = quits;
        notice_explain("process %d got SIGQUIT (Ctrl+\\), and goes on", (int)pid);
    }
}
