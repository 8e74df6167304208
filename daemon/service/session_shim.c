#include "daemon/service/session_shim.h"

#include "daemon/service/notice.h"

void session_shim_begin(struct session_shim *shim, const struct python_find *target,
                        const struct options *options, int bell) {
    if (options->no_shim) {
        return;
    }
    enum shim_found found = shim_link_begin(&shim->link, &target->process, options->children, bell);
    atomic_store(&shim->reached, found == SHIM_OURS);
    if (found != SHIM_OURS || options->pid != 0) {
        shim_attach_begin(&shim->attach, target, &shim->link, found, options->stealth);
    }
}

void session_shim_end(struct session_shim *shim) {
    shim_attach_end(&shim->attach);
    shim_link_end(&shim->link);
}

void session_shim_say(struct session_shim *shim, pid_t pid) {
    const struct shim_link *link = &shim->link;
    if (atomic_load(&link->up) && !shim->said_up) {
        shim->said_up = true;
        notice_explain("the shim is in process %d", (int)pid);
    }
    if (atomic_load(&link->corrupt) && !shim->said_nonsense) {
        shim->said_nonsense = true;
        notice_say("what the shim in process %d tells makes no sense (CORRUPT): sampling goes on "
                   "from outside",
                   (int)pid);
    }
    const uint32_t quits = atomic_load(&link->quits);
    if (quits != shim->said_quits) {
        shim->said_quits = quits;
        notice_explain("process %d got SIGQUIT (Ctrl+\\), and goes on", (int)pid);
    }
}
