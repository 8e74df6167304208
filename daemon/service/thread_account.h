/* thread_account: how much CPU time a thread has used, and to which of its samples it belongs.
 * Owned by the thread's record, used by the sampling thread only. thread_account_sample is HOT: one
 * pread.
 *
 * The kernel accounts a running thread's CPU time in lumps, at its scheduler tick and when it
 * leaves the CPU. Samples without a lump wait; a lump is spread over them from the newest
 * backwards, each taking at most the time that passed since the one before it: a thread that ran
 * all the time fills them all, one that slept fills those since it woke up. Samples of one stack in
 * a row wait as one; there is room for as many as a lump covers at the highest rate. */
#ifndef ECHION_DAEMON_SERVICE_THREAD_ACCOUNT_H
#define ECHION_DAEMON_SERVICE_THREAD_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/service/emitter.h"
#include "daemon/service/thread_table.h"
#include "daemon/target/process.h"
#include "daemon/target/thread_clock.h"

struct thread_account;

/* For a thread whose tid is known; what it used before `from_ns` (a reading of its clock taken
 * earlier; UINT64_MAX: now) does not count. GONE, ABSENT, NOMEM, SYS as thread_clock_open. Cold. */
STATUS_CHECKED enum status thread_account_create(const struct process *process, int32_t tid,
                                                 uint64_t from_ns, struct thread_account **out);
void thread_account_destroy(struct thread_account *account);

/* Notes a sample of `record`, which must have an account, and writes those whose CPU time is known
 * by now. False when no batch takes them: their time is then given to the next ones. */
bool thread_account_sample(struct thread_record *record, struct emitter *emitter, uint32_t node,
                           uint64_t now_ns);

/* Forgets the samples that wait, because the batch that their stacks are in ends: their time, once
 * it is known, goes to the samples after them. */
void thread_account_turn(struct thread_account *account);

/* CPU time in nanoseconds that was written so far. */
uint64_t thread_account_written(const struct thread_account *account);

#endif
