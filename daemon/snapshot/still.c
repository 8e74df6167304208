/* HOT: no allocation, lock, log or system call. */
#include "daemon/snapshot/still.h"

#include <string.h>

enum {
    SAMPLES_MIN = 8,
    KEPT_NS = 100 * 1000 * 1000,
};

/* Bytes of the spans; 0 if some could not be read. They lie one behind the other. */
static size_t spans_size(const struct picture *picture, uint32_t first, uint32_t end) {
    size_t size = 0;
    for (uint32_t i = first; i < end; i++) {
        if (picture->spans[i].got != picture->spans[i].size) {
            return 0;
        }
        size += picture->spans[i].size;
    }
    return size;
}

void still_keep(struct still *still, const struct picture *picture, uint32_t first, uint32_t end,
                uint64_t now_ns) {
    still->size = 0;
    if (still->samples < SAMPLES_MIN) {
        still->samples++;
        return;
    }
    size_t size = spans_size(picture, first, end);
    if (size > 0 && size <= STILL_BYTES_MAX) {
        memcpy(still->bytes, picture_span_bytes(picture, first), size);
        still->size = size;
        still->until_ns = now_ns + KEPT_NS;
    }
}

bool still_holds(const struct still *still, const struct picture *picture, uint32_t first,
                 uint32_t end, uint64_t now_ns) {
    return still->size != 0 && now_ns < still->until_ns &&
           spans_size(picture, first, end) == still->size &&
           memcmp(still->bytes, picture_span_bytes(picture, first), still->size) == 0;
}
