/* process: the identity of a target. Owns two descriptors; owned by a session. The fields are set
 * by process_open and process_note_program only; every function may then be called from any thread.
 * Cold, except process_alive.
 *
 * A pid that the kernel has given to another process is never taken for the target: `pidfd` and
 * `dir` keep to the one that was opened. process_vm_readv takes a bare pid, so whoever reads memory
 * for long asks process_alive now and then (a pid is not reused before all others have been). */
#ifndef ECHION_DAEMON_TARGET_PROCESS_H
#define ECHION_DAEMON_TARGET_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/target/memory.h"

enum { PROCESS_RANDOM_SIZE = 16 };

/* Which program runs in the process: what the kernel gave it at its last exec. */
struct process_program {
    unsigned word_size;     /* bytes in a pointer: 4 or 8 */
    uint64_t auxv_hash;     /* of /proc/PID/auxv */
    uint64_t device, inode; /* of /proc/PID/exe */
    struct raddr random_at; /* AT_RANDOM: 16 random bytes, new at each exec; null if not given */
    uint8_t random[PROCESS_RANDOM_SIZE];
};

struct process {
    pid_t pid;           /* in our PID namespace; the daemon's, as everything shown */
    pid_t own_pid;       /* as the process sees itself */
    bool nested;         /* in a PID namespace of its own: its thread ids are not ours */
    int pidfd;           /* becomes readable (poll) when the process has ended */
    int dir;             /* /proc/PID, O_PATH */
    uint64_t start_time; /* clock ticks since boot */
    uid_t uid;           /* effective, when it was opened */
    gid_t gid;
    struct process_program program;
};

/* Opens a process whose memory we may read. Can block as long as a read of its memory can.
 * GONE: no such process, a thread's id, or a zombie. ABSENT: a kernel thread, which runs no
 * program. DENIED: the text says what is in the way and what to do. TORN: it is just starting a
 * program, or, when that does not pass, its main thread has ended while others go on. NOMEM, SYS.
 */
STATUS_CHECKED enum status process_open(pid_t pid, struct process *out, struct error *error);

/* Accepts a process that process_open did not fill, if it is PROCESS_NONE. */
void process_close(struct process *process);

#define PROCESS_NONE ((struct process){.pidfd = -1, .dir = -1})

/* The door to its memory. */
static inline struct memory process_memory(const struct process *process) {
    return (struct memory){.pid = process->pid, .word_size = process->program.word_size};
}

/* Whether it has not ended; a zombie has. One poll. */
bool process_alive(const struct process *process);

/* Whether it still runs the program that process_open or process_note_program saw, i.e. has not
 * ended or exec'ed since. One small read of its memory as long as it has not. */
bool process_same_program(const struct process *process);

/* Takes note of the program that it runs now, after an exec. As process_open. */
STATUS_CHECKED enum status process_note_program(struct process *process, struct error *error);

/* State letter of its main thread: R, S, D, T (stopped), t (traced), Z (zombie). GONE, SYS. */
STATUS_CHECKED enum status process_state(const struct process *process, char *out);

/* CPU time in nanoseconds of all its threads, ended ones included. GONE, SYS. */
STATUS_CHECKED enum status process_cpu_time(const struct process *process, uint64_t *ns);

/* Command line, separated by spaces, printable and cut to `capacity`; "[name]" when it has none.
 * Can block. GONE, DENIED, SYS. */
STATUS_CHECKED enum status process_command_line(const struct process *process, char *out,
                                                size_t capacity);

/* Path of its program, as the kernel shows it to us, printable; "(deleted)" may follow. */
STATUS_CHECKED enum status process_executable(const struct process *process, char *out,
                                              size_t capacity);

#endif
