/* syscall_name: what the system calls are called in which threads sleep. Pure; any thread. Cold. */
#ifndef ECHION_DAEMON_TARGET_SYSCALL_NAME_H
#define ECHION_DAEMON_TARGET_SYSCALL_NAME_H

#include <stdint.h>

/* The name of a system call of an x86-64 (`word_size` 8) or i386 (4) program; NULL for one that
 * nobody waits in. Static storage. */
const char *syscall_name(int64_t number, unsigned word_size);

#endif
