/* thread_labels: under what name each thread is shown, and which kernel thread it is. Owned by a
 * sampler, used by its thread only. Cold: reads the target's `threading` module and /proc. */
#ifndef ECHION_DAEMON_SERVICE_THREAD_LABELS_H
#define ECHION_DAEMON_SERVICE_THREAD_LABELS_H

#include "common/status.h"
#include "daemon/python/layout.h"
#include "daemon/service/thread_table.h"
#include "daemon/target/memory.h"
#include "daemon/target/process.h"

struct thread_labels;

/* The process is borrowed. NOMEM. */
STATUS_CHECKED enum status thread_labels_create(const struct process *process,
                                                struct thread_labels **out);
void thread_labels_destroy(struct thread_labels *labels);

/* Finds the kernel thread of each record that has none yet, and sets every record's label: the name that
 * Python has for it now, cleaned as the formats need it and followed by "-<tid>" where two live threads
 * carry the same; the decimal tid where there is no name. What cannot be read leaves labels as they are. */
void thread_labels_update(struct thread_labels *labels, const struct memory *memory,
                          const struct py_layout *layout, struct thread_table *threads);

#endif
