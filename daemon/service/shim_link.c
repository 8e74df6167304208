/* HOT, with cold corners: see the header. */
#include "daemon/service/shim_link.h"

#include <string.h>
#include <unistd.h>

#include "common/ring_record.h"
#include "daemon/ingest/ring_find.h"
#include "daemon/ingest/ring_map.h"
#include "daemon/service/clock.h"

static void ring_bell(const struct shim_link *link) {
    uint64_t one = 1;
    (void)!write(link->bell, &one, sizeof one);
}

/* Listens to a ring, if nobody else does. */
static enum shim_found listen_to(struct shim_link *link, struct ring *ring) {
    if (ring_reader_is_there(ring, (uint32_t)(clock_now_ns() / CLOCK_NS_PER_MS))) {
        ring_unmap(ring);
        return SHIM_OTHERS;
    }
    if (ring_reader_init(&link->reader, ring) != STATUS_OK) {
        ring_unmap(ring);
        atomic_store(&link->corrupt, true);
        ring_bell(link);
        return SHIM_CORRUPT;
    }
    link->ring = ring;
    link->taken_ns = 0;
    ring_reader_want(&link->reader, link->wants);
    atomic_store(&link->up, true);
    ring_bell(link);
    return SHIM_OURS;
}

enum shim_found shim_link_begin(struct shim_link *link, const struct process *process,
                                bool children, int bell) {
    struct error error = {.text = ""};
    struct ring *ring = NULL;
    link->bell = bell;
    link->wants = RING_WANTS_NEWS | (children ? RING_WANTS_CHILDREN : 0U);
    enum status status = ring_find(process->dir, (int32_t)process->own_pid, &ring, &error);
    if (status == STATUS_OK) {
        return listen_to(link, ring);
    }
    if (status == STATUS_CORRUPT) {
        atomic_store(&link->corrupt, true);
        ring_bell(link);
        return SHIM_CORRUPT;
    }
    return SHIM_NONE;
}

void shim_link_offer(struct shim_link *link, struct ring *ring) {
    struct ring *before = atomic_exchange(&link->offered, ring);
    if (before != NULL) {
        ring_unmap(before);
    }
}

void shim_link_end(struct shim_link *link) {
    struct ring *offered = atomic_exchange(&link->offered, NULL);
    if (offered != NULL) {
        ring_unmap(offered);
    }
    if (link->ring != NULL) {
        ring_reader_leave(&link->reader);
        ring_unmap(link->ring);
        link->ring = NULL;
    }
}

/* Listens to the ring that has been offered. What has been learnt until now may not hold. */
static void take_offered(struct shim_link *link, struct code_cache *codes) {
    struct ring *ring = atomic_exchange(&link->offered, NULL);
    if (ring != NULL && link->ring == NULL) {
        (void)listen_to(link, ring);
        code_cache_note_all_gone(codes);
        code_cache_pass(codes);
    } else if (ring != NULL) {
        ring_unmap(ring);
    }
}

/* What there was in the records that were taken. */
struct hearing {
    bool codes; /* of code objects */
    bool rings; /* something for others */
};

static void take_one(struct shim_link *link, const struct ring_record *record,
                     struct code_cache *codes, struct hearing *heard) {
    switch (record->kind) {
    case RING_CODE_DESTROYED: {
        struct ring_code code;
        memcpy(&code, record->payload, sizeof code);
        if (record->size == sizeof code) {
            code_cache_note_gone(codes, code.address);
            heard->codes = true;
        }
        break;
    }
    case RING_FORKED:
    case RING_EXECS:
        (void)atomic_fetch_add_explicit(&link->forks, 1, memory_order_release);
        heard->rings = true;
        break;
    case RING_QUIT:
        (void)atomic_fetch_add_explicit(&link->quits, 1, memory_order_release);
        heard->rings = true;
        break;
    default: /* of a shim that knows more than we do */
        break;
    }
}

/* Whether we were away for so long that the shim may have taken us to have left. */
static bool was_silent(struct shim_link *link, uint64_t now_ns) {
    const uint64_t silence_ns = (uint64_t)RING_SILENCE_MS / 2 * 1000000;
    const bool silent = link->taken_ns != 0 && now_ns - link->taken_ns > silence_ns;
    link->taken_ns = now_ns;
    return silent;
}

void shim_link_take(struct shim_link *link, struct code_cache *codes, uint64_t now_ns) {
    if (link != NULL && atomic_load_explicit(&link->offered, memory_order_relaxed) != NULL) {
        take_offered(link, codes);
    }
    if (link == NULL || link->ring == NULL) {
        return;
    }
    struct hearing heard = {.codes = false};
    uint32_t taken = SHIM_LINK_BATCH;
    if (was_silent(link, now_ns)) {
        code_cache_note_all_gone(codes);
        heard.codes = true;
    }
    /* A flood ends here: the ring is read once around at most. */
    for (uint32_t batch = 0;
         link->ring != NULL && taken == SHIM_LINK_BATCH && batch <= RING_RECORDS / SHIM_LINK_BATCH;
         batch++) {
        uint32_t lost = 0;
        taken = 0;
        if (ring_reader_take(&link->reader, (uint32_t)(now_ns / 1000000), false, link->taken,
                             SHIM_LINK_BATCH, &taken, &lost) != STATUS_OK) {
            atomic_store(&link->corrupt, true);
            shim_link_end(link);
            heard.rings = true;
        }
        for (uint32_t i = 0; i < taken; i++) {
            take_one(link, &link->taken[i], codes, &heard);
        }
        if (lost > 0) {
            code_cache_note_all_gone(codes);
            heard.codes = true;
        }
    }
    if (heard.codes) {
        code_cache_pass(codes);
    }
    if (heard.rings) {
        ring_bell(link);
    }
}
