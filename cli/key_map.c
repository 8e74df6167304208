#include "cli/key_map.h"

#include <stdlib.h>
#include <sys/random.h>

enum { ENTRIES_FIRST = 1024 };

void key_map_deinit(struct key_map *map) {
    free(map->entries);
    *map = (struct key_map){.entries = NULL};
}

/* The entry of a key, or the free one where it would be. */
static struct key_map_entry *find(const struct key_map *map, int64_t pid, int64_t key) {
    unsigned __int128 product =
        ((unsigned __int128)((uint64_t)key ^ map->seed) * 0x9E3779B97F4A7C15U) ^
        ((unsigned __int128)((uint64_t)pid + map->seed) * 0xD6E8FEB86659FD93U);
    uint32_t slot = (uint32_t)((uint64_t)(product >> 64) ^ (uint64_t)product >> 32) & map->mask;
    struct key_map_entry *entry;
    while ((entry = &map->entries[slot])->used && (entry->key != key || entry->pid != pid)) {
        slot = (slot + 1) & map->mask;
    }
    return entry;
}

static bool grow(struct key_map *map) {
    struct key_map larger = {.seed = map->seed};
    uint32_t size = map->entries == NULL ? ENTRIES_FIRST : (map->mask + 1) * 2;
    if (map->entries == NULL) {
        /* Without randomness the seed stays 0: right all the same, if slow for who wants it so. */
        (void)!getrandom(&larger.seed, sizeof larger.seed, GRND_NONBLOCK);
    }
    larger.entries = calloc(size, sizeof *larger.entries);
    if (larger.entries == NULL) {
        return false;
    }
    larger.mask = size - 1;
    for (uint32_t i = 0; map->entries != NULL && i <= map->mask; i++) {
        if (map->entries[i].used) {
            *find(&larger, map->entries[i].pid, map->entries[i].key) = map->entries[i];
        }
    }
    larger.count = map->count;
    free(map->entries);
    *map = larger;
    return true;
}

enum status key_map_set(struct key_map *map, int64_t pid, int64_t key, uint32_t value) {
    if (map->entries == NULL || map->count >= (map->mask + 1) / 2) {
        if (map->count >= KEY_MAP_MAX || !grow(map)) {
            return STATUS_NOMEM;
        }
    }
    struct key_map_entry *entry = find(map, pid, key);
    map->count += !entry->used;
    *entry = (struct key_map_entry){.pid = pid, .key = key, .value = value, .used = true};
    return STATUS_OK;
}

bool key_map_get(const struct key_map *map, int64_t pid, int64_t key, uint32_t *value) {
    if (map->entries == NULL) {
        return false;
    }
    const struct key_map_entry *entry = find(map, pid, key);
    if (entry->used) {
        *value = entry->value;
    }
    return entry->used;
}
