/* still: what the last picture showed of a thread that seems not to run. While the next one shows
 * the very same bytes, the stack is the same too, and need not be found again. Part of the
 * sampler's record of the thread and used by its thread only. HOT. */
#ifndef ECHION_DAEMON_SNAPSHOT_STILL_H
#define ECHION_DAEMON_SNAPSHOT_STILL_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/snapshot/picture.h"

enum { STILL_BYTES_MAX = 8192 }; /* of a deeper stack it is not worth it */

/* All zero: nothing is kept. */
struct still {
    size_t size;      /* 0: nothing is kept */
    uint32_t samples; /* in a row with the same stack */
    uint64_t until_ns;
    uint8_t bytes[STILL_BYTES_MAX];
};

static inline void still_forget(struct still *still) {
    still->size = 0;
}

/* The spans `first` to before `end` have shown the same stack as before. Keeps what they hold if
 * that has gone on for a while; not where some could not be read, or where it is more than is worth
 * it. */
void still_keep(struct still *still, const struct picture *picture, uint32_t first, uint32_t end,
                uint64_t now_ns);

/* They have shown another stack. */
static inline void still_end(struct still *still) {
    still->size = 0;
    still->samples = 0;
}

/* Whether these spans, planned as they were then, hold what was kept. From time to time not even
 * then: what lies beside the picture may have changed. */
bool still_holds(const struct still *still, const struct picture *picture, uint32_t first,
                 uint32_t end, uint64_t now_ns);

#endif
