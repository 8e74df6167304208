/* cpu_totals: the CPU time of a process that its samples do not tell of: threads without a thread
 * state, and threads that came and went unseen. Owned by a sampler, used by its thread only. Cold.
 */
#ifndef ECHION_DAEMON_SERVICE_CPU_TOTALS_H
#define ECHION_DAEMON_SERVICE_CPU_TOTALS_H

#include <stdint.h>

#include "common/status.h"
#include "daemon/service/thread_table.h"
#include "daemon/target/process.h"
#include "daemon/target/threads.h"

struct cpu_totals;

/* Counts from now on. The process is borrowed. NOMEM, GONE, SYS. */
STATUS_CHECKED enum status cpu_totals_create(const struct process *process,
                                             struct cpu_totals **out);
void cpu_totals_destroy(struct cpu_totals *totals);

/* Reads the clocks of the kernel threads that no record stands for, and opens accounts for records
 * that have a tid and none yet. To be called a few times a second, and once at the end. */
void cpu_totals_update(struct cpu_totals *totals, const struct threads *kernel,
                       struct thread_table *threads);

/* Takes note of what an account has written, before its record goes. */
void cpu_totals_retire(struct cpu_totals *totals, const struct thread_record *record);

/* Nanoseconds used since creation by threads without a thread state, and by threads never seen:
 * what the process used beyond all that was written or counted. */
void cpu_totals_get(const struct cpu_totals *totals, const struct thread_table *threads,
                    uint64_t *native_ns, uint64_t *unseen_ns);

#endif
