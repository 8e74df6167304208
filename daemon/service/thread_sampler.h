/* thread_sampler: from a picture to one thread's stack, taking further pictures of that thread
 * where the first one does not tell. Owned by a sampler, used by its thread only. HOT, with cold
 * corners: a code object, a chunk or a frame that was never seen before is learned on the way. */
#ifndef ECHION_DAEMON_SERVICE_THREAD_SAMPLER_H
#define ECHION_DAEMON_SERVICE_THREAD_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/call_pairs.h"
#include "daemon/service/code_loader.h"
#include "daemon/service/shim_link.h"
#include "daemon/service/thread_table.h"
#include "daemon/snapshot/picture.h"

struct thread_sampler {
    const struct memory *memory;
    const struct py_layout *layout;
    struct code_cache *codes;
    struct code_loader loader;
    struct call_pairs *pairs;
    struct picture *again;       /* pictures of a single thread */
    uint64_t retries;            /* such pictures taken */
    struct shim_link *link;      /* borrowed */
    struct code_moments moments; /* of the picture of all threads */
};

STATUS_CHECKED enum status thread_sampler_init(struct thread_sampler *sampler,
                                               const struct memory *memory,
                                               const struct py_layout *layout,
                                               struct code_cache *codes, struct shim_link *link);
void thread_sampler_deinit(struct thread_sampler *sampler);

/* Takes a picture of all threads, as picture_take(picture, 0, ...) does, and before and after it
 * what the shim has told. */
STATUS_CHECKED enum status thread_sampler_picture(struct thread_sampler *sampler,
                                                  struct picture *picture, uint64_t now_ns);

/* Finds the stack of `record` in `picture`, in which its spans begin at record->first_span. OK: the
 * stack is whole. TORN: it is what could be found, or nothing. ABSENT: the thread state cannot be
 * read any more, or is another thread's. GONE, DENIED: the process cannot. */
STATUS_CHECKED enum status thread_sampler_stack(struct thread_sampler *sampler,
                                                struct thread_record *record,
                                                const struct picture *picture, uint64_t now_ns);

#endif
