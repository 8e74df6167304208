/* process_stat: what /proc/PID/stat says of a process or thread. A plain value; any thread. Cold.
 */
#ifndef ECHION_DAEMON_TARGET_PROCESS_STAT_H
#define ECHION_DAEMON_TARGET_PROCESS_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"

enum { PROCESS_STAT_COMM_MAX = 64 };

struct process_stat {
    char comm[PROCESS_STAT_COMM_MAX]; /* printable */
    char state;                       /* R, S, D, T (stopped), t (traced), Z (zombie), X, I */
    pid_t parent;
    uint32_t flags; /* PF_* of the kernel */
    uint32_t threads;
    uint64_t start_time; /* clock ticks since boot: with the pid, the identity of a process */
};

/* Reads it beneath an open /proc/PID or /proc/PID/task/TID. GONE, CORRUPT, or as proc_file_read. */
STATUS_CHECKED enum status process_stat_read(int dir, struct process_stat *out);

/* The same of the file of this name, such as task/TID/stat. */
STATUS_CHECKED enum status process_stat_read_file(int dir, const char *name,
                                                  struct process_stat *out);

bool process_stat_is_kernel_thread(const struct process_stat *stat);

/* Ended, but not yet collected by its parent. */
bool process_stat_is_zombie(const struct process_stat *stat);

#endif
