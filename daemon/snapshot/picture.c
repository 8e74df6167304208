/* HOT: no allocation, lock, log or system call but the read itself, except in create and destroy.
 */
#include "daemon/snapshot/picture.h"

#include <limits.h>
#include <stdlib.h>

enum status picture_create(uint32_t spans, size_t bytes, struct picture **out) {
    struct picture *picture = calloc(1, sizeof *picture);
    if (picture == NULL) {
        return STATUS_NOMEM;
    }
    picture->capacity = bytes;
    picture->span_capacity = spans;
    picture->bytes = malloc(bytes);
    picture->spans = calloc(spans, sizeof *picture->spans);
    picture->remote = calloc(spans, sizeof *picture->remote);
    if (picture->bytes == NULL || picture->spans == NULL || picture->remote == NULL) {
        picture_destroy(picture);
        return STATUS_NOMEM;
    }
    *out = picture;
    return STATUS_OK;
}

void picture_destroy(struct picture *picture) {
    if (picture == NULL) {
        return;
    }
    free(picture->bytes);
    free(picture->spans);
    free(picture->remote);
    free(picture);
}

void picture_begin(struct picture *picture) {
    picture->count = 0;
    picture->size = 0;
}

void picture_cut(struct picture *picture, uint32_t count) {
    if (count < picture->count) {
        picture->size = picture->spans[count].at;
        picture->count = count;
    }
}

uint32_t picture_add(struct picture *picture, struct raddr address, uint32_t size) {
    if (picture->count == picture->span_capacity || size > picture->capacity - picture->size) {
        return PICTURE_FULL;
    }
    uint32_t index = picture->count++;
    picture->spans[index] =
        (struct span){.address = address, .size = size, .got = 0, .at = picture->size};
    picture->remote[index] =
        (struct iovec){.iov_base = (void *)(uintptr_t)address.v, .iov_len = size};
    picture->size += size;
    return index;
}

/* Spreads `got` bytes over the spans from `first`; the index of the first one that is not whole. */
static uint32_t picture_account(struct picture *picture, uint32_t first, uint32_t end, size_t got) {
    uint32_t i = first;
    for (; i < end && got >= picture->spans[i].size; i++) {
        picture->spans[i].got = picture->spans[i].size;
        got -= picture->spans[i].size;
    }
    if (i < end) {
        picture->spans[i].got = (uint32_t)got;
    }
    return i;
}

enum status picture_take(struct picture *picture, uint32_t first, const struct memory *memory) {
    while (first < picture->count) {
        uint32_t end = picture->count - first > IOV_MAX ? first + IOV_MAX : picture->count;
        size_t got = 0;
        enum status status = memory_read_batch(memory, picture->bytes + picture->spans[first].at,
                                               picture->remote + first, end - first, &got);
        if (status != STATUS_OK && status != STATUS_TORN) {
            return status;
        }
        uint32_t stopped_at = picture_account(picture, first, end, status == STATUS_OK ? got : 0);
        /* A span that cannot be read ends the call; step over it. */
        first = stopped_at < end ? stopped_at + 1 : end;
    }
    return STATUS_OK;
}
