/* thread_labels: under what name each thread is shown, and which kernel thread it is. Owned by a
 * sampler, used by its thread only. Cold: reads the target's `threading` module and /proc. */
#ifndef ECHION_DAEMON_SERVICE_THREAD_LABELS_H
#define ECHION_DAEMON_SERVICE_THREAD_LABELS_H

#include "common/status.h"
#include "daemon/python/layout.h"
#include "daemon/service/thread_table.h"
#include "daemon/target/memory.h"
#include "daemon/target/process.h"
#include "daemon/target/threads.h"

struct thread_labels;

/* The process is borrowed. NOMEM. */
STATUS_CHECKED enum status thread_labels_create(const struct process *process,
                                                struct thread_labels **out);
void thread_labels_destroy(struct thread_labels *labels);

/* Finds the kernel thread of each record that has none yet, and sets every record's label: the name
 * that Python has for it now, cleaned as the formats need it and followed by "-<tid>" where two
 * live threads carry the same; the decimal tid where there is no name. What cannot be read leaves
 * labels as they are. `all`: the names of all threads are read, not only the newest, for a thread
 * may be renamed; to be asked for now and then. A record whose label changed is to be registered
 * anew with the batch: its `batch_thread` is then UINT32_MAX; one that had no name until now is
 * `late` instead. Returns how many threads have no name (yet: a thread runs for a moment before
 * Python lists it). */
uint32_t thread_labels_update(struct thread_labels *labels, const struct memory *memory,
                              const struct py_layout *layout, struct thread_table *threads,
                              bool all);

/* Gives records without any label a number for one, without a look at the target, to go by until
 * the next update. */
void thread_labels_begin(const struct thread_labels *labels, struct thread_table *threads);

/* The kernel's threads as of the last update. */
const struct threads *thread_labels_kernel_threads(const struct thread_labels *labels);

#endif
