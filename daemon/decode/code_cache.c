#include "daemon/decode/code_cache.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    SLOTS_FIRST = 1024,    /* a power of two */
    ENTRIES_MAX = 1 << 18, /* more code objects than any program runs within one epoch's reach */
    IDLE_EPOCHS = 8,       /* entries unused for so long may leave */
    BYTES_BUDGET = 6 << 20,
    GONE_MAX = 256,       /* a power of two */
    BYTES_MAX = 96 << 20, /* what one epoch may bring in on top, from a target that means no good */
};

/* How long an entry is believed without being looked at again: an eighth of its age, so that a
 * program that makes and frees code all the time is watched closely, and one that does not costs
 * nothing. */
enum { BELIEF_SHIFT = 3, BELIEF_MAX_NS = 100 * 1000 * 1000 };

struct retired {
    struct code *code;
    uint64_t epoch;
    struct retired *next;
};

struct gone {
    uint64_t address;
    uint64_t moment; /* 0: none */
};

struct code_cache {
    struct code_entry *slots;
    uint32_t mask;
    uint32_t used;
    uint64_t epoch;
    uint64_t moment;            /* from 1 on */
    struct code_moments viewed; /* of the picture that is looked at */
    struct gone gone[GONE_MAX]; /* what was destroyed last, known or not */
    uint32_t gone_next;
    uint64_t forgotten; /* the moment of the last that had to make room there */
    uint64_t bytes;
    struct retired *retired;
};

/* Of all caches: what was written of one process's code must not stand for another's. */
static _Atomic uint64_t next_serial = 1;

static uint32_t address_hash(uint64_t address) {
    return (uint32_t)((address * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

enum status code_cache_create(struct code_cache **out) {
    struct code_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        return STATUS_NOMEM;
    }
    cache->slots = calloc(SLOTS_FIRST, sizeof *cache->slots);
    if (cache->slots == NULL) {
        free(cache);
        return STATUS_NOMEM;
    }
    cache->mask = SLOTS_FIRST - 1;
    cache->moment = 1;
    cache->viewed = (struct code_moments){.begun = 1, .taken = 1};
    *out = cache;
    return STATUS_OK;
}

static void retired_free(struct code_cache *cache, uint64_t written) {
    struct retired **link = &cache->retired;
    while (*link != NULL) {
        struct retired *retired = *link;
        if (retired->epoch < written) {
            *link = retired->next;
            cache->bytes -= code_bytes(retired->code);
            code_destroy(retired->code);
            free(retired);
        } else {
            link = &retired->next;
        }
    }
}

void code_cache_destroy(struct code_cache *cache) {
    if (cache == NULL) {
        return;
    }
    retired_free(cache, UINT64_MAX);
    for (uint32_t i = 0; i <= cache->mask; i++) {
        code_destroy(cache->slots[i].code);
    }
    free(cache->slots);
    free(cache);
}

/* The slot of `address`, or the free one where it belongs. */
static struct code_entry *slot_of(const struct code_cache *cache, uint64_t address) {
    uint32_t i = address_hash(address) & cache->mask;
    while (cache->slots[i].address != 0 && cache->slots[i].address != address) {
        i = (i + 1) & cache->mask;
    }
    return &cache->slots[i];
}

struct code_entry *code_cache_find(struct code_cache *cache, uint64_t address) {
    struct code_entry *entry = slot_of(cache, address);
    if (entry->address == 0) {
        return NULL;
    }
    entry->last_used = cache->epoch;
    return entry;
}

uint64_t code_cache_moment(const struct code_cache *cache) {
    return cache->moment;
}

void code_cache_view(struct code_cache *cache, struct code_moments moments) {
    cache->viewed = moments;
}

struct code_moments code_cache_viewed(const struct code_cache *cache) {
    return cache->viewed;
}

/* Of several that were destroyed at one address, the first is the one that was known. */
static void entry_note_gone(struct code_entry *entry, uint64_t moment) {
    if (entry->address != 0 && entry->gone_at == 0) {
        entry->gone_at = moment;
    }
}

void code_cache_note_gone(struct code_cache *cache, uint64_t address) {
    struct gone *slot = &cache->gone[cache->gone_next++ % GONE_MAX];
    cache->forgotten = slot->moment;
    *slot = (struct gone){.address = address, .moment = cache->moment};
    entry_note_gone(slot_of(cache, address), cache->moment);
}

void code_cache_note_all_gone(struct code_cache *cache) {
    cache->forgotten = cache->moment;
    for (uint32_t i = 0; i <= cache->mask; i++) {
        entry_note_gone(&cache->slots[i], cache->moment);
    }
}

void code_cache_pass(struct code_cache *cache) {
    cache->moment++;
}

bool code_cache_gone_since(const struct code_cache *cache, uint64_t address) {
    if (cache->forgotten >= cache->viewed.begun) {
        return true;
    }
    for (uint32_t back = 1; back <= GONE_MAX; back++) {
        const struct gone *gone = &cache->gone[(cache->gone_next - back) % GONE_MAX];
        if (gone->moment < cache->viewed.begun) {
            break;
        }
        if (gone->address == address) {
            return true;
        }
    }
    return false;
}

void code_cache_doubt(struct code_cache *cache, uint64_t address) {
    slot_of(cache, address)->believed_until_ns = 0;
}

bool code_entry_holds(const struct code_cache *cache, const struct code_entry *entry,
                      uint64_t now_ns) {
    const struct code_moments viewed = cache->viewed;
    return entry->believed_until_ns >= now_ns &&
           (entry->gone_at == 0 || entry->gone_at >= viewed.taken) &&
           (entry->learned_at <= viewed.begun || !code_cache_gone_since(cache, entry->address));
}

/* Takes a code out of use, to be freed once no batch can name it. False when that cannot be noted.
 */
static bool code_retire(struct code_cache *cache, struct code *code) {
    if (code == NULL) {
        return true;
    }
    struct retired *retired = malloc(sizeof *retired);
    if (retired == NULL) {
        return false;
    }
    *retired = (struct retired){.code = code, .epoch = cache->epoch, .next = cache->retired};
    cache->retired = retired;
    return true;
}

/* Rebuilds the table with room for the entries that `keep_since` (an epoch) and later used. */
static enum status code_cache_rebuild(struct code_cache *cache, uint64_t keep_since) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i <= cache->mask; i++) {
        const struct code_entry *entry = &cache->slots[i];
        kept += entry->address != 0 && entry->last_used >= keep_since ? 1 : 0;
    }
    uint32_t size = SLOTS_FIRST;
    while (size < (kept + 1) * 2) {
        size *= 2;
    }
    struct code_entry *old = cache->slots;
    uint32_t old_mask = cache->mask;
    struct code_entry *slots = calloc(size, sizeof *slots);
    if (slots == NULL) {
        return STATUS_NOMEM;
    }
    cache->slots = slots;
    cache->mask = size - 1;
    cache->used = 0;
    for (uint32_t i = 0; i <= old_mask; i++) {
        struct code_entry *entry = &old[i];
        if (entry->address == 0) {
            continue;
        }
        if (entry->last_used >= keep_since || !code_retire(cache, entry->code)) {
            *slot_of(cache, entry->address) = *entry;
            cache->used++;
        }
    }
    free(old);
    return STATUS_OK;
}

enum status code_cache_put(struct code_cache *cache, uint64_t address, struct code *code,
                           uint64_t now_ns) {
    struct code_entry *entry = slot_of(cache, address);
    if (cache->bytes + code_bytes(code) > BYTES_MAX) {
        code_destroy(code);
        return STATUS_NOMEM;
    }
    if (entry->address == 0) {
        if (cache->used >= ENTRIES_MAX ||
            (cache->used * 2 > cache->mask && code_cache_rebuild(cache, 0) != STATUS_OK)) {
            code_destroy(code);
            return STATUS_NOMEM;
        }
        entry = slot_of(cache, address);
        cache->used++;
    } else if (!code_retire(cache, entry->code)) {
        code_destroy(code);
        return STATUS_NOMEM;
    }
    if (code != NULL) {
        code->serial = atomic_fetch_add_explicit(&next_serial, 1, memory_order_relaxed);
        cache->bytes += code_bytes(code);
    }
    *entry = (struct code_entry){
        .address = address,
        .code = code,
        .known_since_ns = now_ns,
        .believed_until_ns = now_ns,
        .learned_at = cache->moment,
        .last_used = cache->epoch,
    };
    return STATUS_OK;
}

void code_entry_confirm(struct code_entry *entry, uint64_t now_ns) {
    uint64_t belief = (now_ns - entry->known_since_ns) >> BELIEF_SHIFT;
    entry->believed_until_ns = now_ns + (belief < BELIEF_MAX_NS ? belief : BELIEF_MAX_NS);
}

void code_cache_epoch(struct code_cache *cache, uint64_t current, uint64_t written) {
    cache->epoch = current;
    retired_free(cache, written);
    if ((cache->bytes > BYTES_BUDGET || cache->used > ENTRIES_MAX / 2) && current > 0) {
        /* What the last epochs did not use leaves; when that is not enough, all but the last one's.
         */
        uint64_t idle = current > IDLE_EPOCHS ? current - IDLE_EPOCHS : 0;
        (void)code_cache_rebuild(cache, cache->bytes / 2 > BYTES_BUDGET ? current - 1 : idle);
    }
}

uint64_t code_cache_bytes(const struct code_cache *cache) {
    return cache->bytes + (uint64_t)(cache->mask + 1) * sizeof *cache->slots;
}
