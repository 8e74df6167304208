/* key_map: from a key that holds within a process to a number. Owned by a reader of a profile; one
 * thread. The keys come out of a file that anybody may have written: their number is bounded. */
#ifndef ECHION_CLI_KEY_MAP_H
#define ECHION_CLI_KEY_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"

/* Keys at most; one more is refused with STATUS_NOMEM. */
enum { KEY_MAP_MAX = 1 << 24 };

struct key_map_entry {
    int64_t pid, key;
    uint32_t value;
    bool used;
};

/* All zeros is an empty map. */
struct key_map {
    struct key_map_entry *entries; /* open-addressed, at most half full */
    uint32_t count, mask;
    uint64_t seed;
};

void key_map_deinit(struct key_map *map);

/* Sets the value of a key, in place of the one that it had. */
STATUS_CHECKED enum status key_map_set(struct key_map *map, int64_t pid, int64_t key,
                                       uint32_t value);

/* False if the key has no value. */
bool key_map_get(const struct key_map *map, int64_t pid, int64_t key, uint32_t *value);

#endif
