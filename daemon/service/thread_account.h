/* thread_account: how much CPU time a thread has used, and to which of its samples it belongs. Owned by
 * the thread's record, used by the sampling thread only. thread_account_sample is HOT: one pread.
 *
 * The kernel accounts a running thread's CPU time in lumps, at its scheduler tick and when it leaves the
 * CPU. Samples without a lump wait; a lump is spread over them from the newest backwards, each taking at
 * most the time that passed since the one before it: a thread that ran all the time fills them all, one
 * that slept fills those since it woke up. */
#ifndef ECHION_DAEMON_SERVICE_THREAD_ACCOUNT_H
#define ECHION_DAEMON_SERVICE_THREAD_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/service/emitter.h"
#include "daemon/service/thread_table.h"

struct thread_account;

void thread_account_destroy(struct thread_account *account);

/* Notes a sample of `record` and writes those whose CPU time is known by now. False when no batch takes
 * them. */
bool thread_account_sample(struct thread_record *record, struct emitter *emitter, uint32_t node,
                           uint64_t now_ns);

#endif
