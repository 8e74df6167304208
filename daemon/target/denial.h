/* denial: why the kernel does not let us read a process, and what to do about it. A plain value;
 * any thread. Cold.
 *
 * The kernel says only that it refused, so the reason is found by going through its rules:
 * ptrace(2), "Ptrace access mode checking", for PTRACE_MODE_ATTACH_REALCREDS, which
 * process_vm_readv asks for. */
#ifndef ECHION_DAEMON_TARGET_DENIAL_H
#define ECHION_DAEMON_TARGET_DENIAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/status.h"

struct denial {
    pid_t pid;
    uid_t uid, own_uid;     /* effective one of the target, real one of ours */
    bool filtered;          /* we may not even read ourselves: a seccomp filter */
    bool capable;           /* we have CAP_SYS_PTRACE */
    bool other_user;        /* one of the target's user or group ids is not ours */
    bool more_capabilities; /* the target has some that we do not have */
    bool not_dumpable;
    bool other_user_namespace;
    int yama; /* kernel.yama.ptrace_scope, or -1 where there is no Yama */
};

/* Looks at everything that can be in the way. `dir` is an open /proc/PID. Never fails: what cannot
 * be found out is taken for unobstructed. */
struct denial denial_read(pid_t pid, int dir);

/* Fills `error` with the reason and the remedy, and answers STATUS_DENIED. */
enum status denial_describe(const struct denial *denial, struct error *error);

#endif
