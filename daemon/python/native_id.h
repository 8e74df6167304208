/* native_id: the kernel's id of a thread of which only the pthread_t is known, as a PyThreadState
 * tells it to 3.10. Plain functions; one thread at a time. Cold: for when a thread appears.
 *
 * A pthread_t is the address of the libc's struct pthread, which holds the id (`tid`) at an offset
 * of the libc's own: in glibc 2.31 to 2.43 0x2d0 for x86-64 and 0x68 for i386, in musl 1.2 0x30 and
 * 0x18. It is found by looking for the ids of /proc/PID/task in the structs of all threads, and so
 * works for any libc. Ids are those of the target's own PID namespace. */
#ifndef ECHION_DAEMON_PYTHON_NATIVE_ID_H
#define ECHION_DAEMON_PYTHON_NATIVE_ID_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/target/memory.h"

/* Finds the offset, from the pthread_t of some threads (the first 64 count) and the ids of all
 * threads of the process, as of about the same moment: a thread that is in one list only does no
 * harm. ABSENT when no offset fits more than half of the threads, or several do equally well: to be
 * tried again with other or more threads. GONE, DENIED, NOMEM, SYS. */
STATUS_CHECKED enum status native_id_calibrate(const struct memory *memory,
                                               const uint64_t *pthreads, size_t pthread_count,
                                               const pid_t *tids, size_t tid_count,
                                               uint32_t *offset);

/* Reads the id of a thread. ABSENT when there is no living thread with this pthread_t: its struct
 * is gone, is something else by now, or says that the thread has ended. Whoever needs certainty
 * checks that the id is one of the process. GONE, DENIED, SYS as memory says. */
STATUS_CHECKED enum status native_id_read(const struct memory *memory, uint32_t offset,
                                          uint64_t pthread, pid_t *tid);

#endif
