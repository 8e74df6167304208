/* code_cache: the code objects known so far, by address. Owned by a sampler and used by its thread
 * only; code_cache_find is HOT, everything else is not.
 *
 * A code object can be freed and another take its address, so each entry is believed for a while
 * only (code_cache_stale), the shorter the younger it is. A code that left the cache lives on until
 * every batch that may name it has been written: until the epoch in which it left has ended. */
#ifndef ECHION_DAEMON_DECODE_CODE_CACHE_H
#define ECHION_DAEMON_DECODE_CODE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/code.h"

struct code_cache;

struct code_entry {
    uint64_t address;        /* 0: free */
    struct code *code;       /* NULL: what is there is no code object */
    uint64_t known_since_ns; /* when it was first read */
    uint64_t believed_until_ns;
    uint64_t last_used;  /* the epoch of its last use */
    uint64_t learned_at; /* the moment; and that at which it was said to be destroyed, or 0 */
    uint64_t gone_at;
};

STATUS_CHECKED enum status code_cache_create(struct code_cache **out);
void code_cache_destroy(struct code_cache *cache);

/* The entry for an address, NULL if nothing is known of it. Marks it as used. HOT. The entry moves
 * when the cache changes; the code does not. */
struct code_entry *code_cache_find(struct code_cache *cache, uint64_t address);

/* Puts `code` (taken over; NULL remembers that there is none) at `address`, in place of what was
 * there. NOMEM if it cannot be kept; `code` is then freed. */
STATUS_CHECKED enum status code_cache_put(struct code_cache *cache, uint64_t address,
                                          struct code *code, uint64_t now_ns);

/* What the target itself says of code objects that it destroys comes at moments, which are
 * numbered. It is taken before a picture is begun and after it has been taken. What is said to be
 * destroyed before the first is not in the picture, what is after the second is in it; of what
 * comes between, nobody knows. What is learned after the picture may be something else that came
 * since. */
struct code_moments {
    uint64_t begun, taken; /* moments when it was begun, and after it was taken */
};

/* The moment. HOT. */
uint64_t code_cache_moment(const struct code_cache *cache);

/* From now on a picture of these moments is looked at. HOT. */
void code_cache_view(struct code_cache *cache, struct code_moments moments);

/* The moments of the picture that is looked at. HOT. */
struct code_moments code_cache_viewed(const struct code_cache *cache);

/* Takes note that the code object at `address` has been destroyed: what is known of it does not
 * hold in later pictures, even if what is there by then looks the same. HOT. */
void code_cache_note_gone(struct code_cache *cache, uint64_t address);

/* The same of all there are, known or not. Not hot. */
void code_cache_note_all_gone(struct code_cache *cache);

/* Ends the moment in which that was said. HOT. */
void code_cache_pass(struct code_cache *cache);

/* Whether what is at `address` may be another thing than in the picture that is looked at:
 * something has been destroyed there since that was begun. HOT. */
bool code_cache_gone_since(const struct code_cache *cache, uint64_t address);

/* What is known of `address` is not believed any more. */
void code_cache_doubt(struct code_cache *cache, uint64_t address);

/* Whether an entry tells what is at its address in the picture that is looked at. HOT. */
bool code_entry_holds(const struct code_cache *cache, const struct code_entry *entry,
                      uint64_t now_ns);

/* Says that the entry was looked at again and found unchanged. */
void code_entry_confirm(struct code_entry *entry, uint64_t now_ns);

/* Begins epoch `current`; every batch filled before epoch `written` has been written: what left the
 * cache before it is freed. When the cache is over its budget, entries that have not been used for
 * some epochs leave. To be called between batches. */
void code_cache_epoch(struct code_cache *cache, uint64_t current, uint64_t written);

/* Bytes that the cache holds, codes included. */
uint64_t code_cache_bytes(const struct code_cache *cache);

#endif
