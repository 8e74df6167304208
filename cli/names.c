#include "cli/names.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SLOTS_FIRST = 1024, TEXT_FIRST = 16 * 1024 };

struct name {
    uint64_t hash;
    size_t at, size; /* in `text` */
};

struct names {
    uint64_t seed;
    struct name *entries;
    uint32_t count, capacity;
    uint32_t *slots; /* number + 1, 0 for free; open-addressed, at most half full */
    uint32_t slot_mask;
    char *text;
    size_t text_size, text_capacity;
};

enum status names_create(struct names **out) {
    struct names *names = calloc(1, sizeof *names);
    if (names == NULL) {
        return STATUS_NOMEM;
    }
    names->slots = calloc(SLOTS_FIRST, sizeof *names->slots);
    names->slot_mask = SLOTS_FIRST - 1;
    if (names->slots == NULL) {
        names_destroy(names);
        return STATUS_NOMEM;
    }
    if (getrandom(&names->seed, sizeof names->seed, GRND_NONBLOCK) != sizeof names->seed) {
        names->seed = (uint64_t)(uintptr_t)names; /* early at boot: what ASLR gives has to do */
    }
    *out = names;
    return STATUS_OK;
}

void names_destroy(struct names *names) {
    if (names == NULL) {
        return;
    }
    free(names->entries);
    free(names->slots);
    free(names->text);
    free(names);
}

static uint64_t mix(uint64_t hash, uint64_t word) {
    unsigned __int128 product = (unsigned __int128)(hash ^ word) * 0x9E3779B97F4A7C15U;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(uint64_t seed, const char *bytes, size_t size) {
    uint64_t hash = mix(seed, size);
    uint64_t word;
    for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        hash = mix(hash + seed, word);
    }
    word = 0;
    memcpy(&word, bytes, size);
    return mix(hash + seed, word);
}

/* Room for one more entry, its slot, and `size` bytes of text. */
static bool make_room(struct names *names, size_t size) {
    if (names->count == names->capacity) {
        uint32_t capacity = names->capacity == 0 ? SLOTS_FIRST / 2 : names->capacity * 2;
        struct name *entries = realloc(names->entries, capacity * sizeof *entries);
        uint32_t *slots = calloc((size_t)capacity * 2, sizeof *slots);
        if (entries != NULL) {
            names->entries = entries;
        }
        if (entries == NULL || slots == NULL) {
            free(slots);
            return false;
        }
        free(names->slots);
        names->slots = slots;
        names->slot_mask = capacity * 2 - 1;
        names->capacity = capacity;
        for (uint32_t i = 0; i < names->count; i++) {
            uint32_t slot = (uint32_t)entries[i].hash & names->slot_mask;
            while (slots[slot] != 0) {
                slot = (slot + 1) & names->slot_mask;
            }
            slots[slot] = i + 1;
        }
    }
    if (names->text_capacity - names->text_size <= size) {
        size_t capacity = names->text_capacity == 0 ? TEXT_FIRST : names->text_capacity;
        while (capacity - names->text_size <= size) {
            capacity *= 2;
        }
        char *text = realloc(names->text, capacity);
        if (text == NULL) {
            return false;
        }
        names->text = text;
        names->text_capacity = capacity;
    }
    return true;
}

enum status names_intern(struct names *names, const char *bytes, size_t size, uint32_t *number) {
    if (size >= NAMES_BYTES_MAX) {
        return STATUS_NOMEM;
    }
    uint64_t hash = hash_bytes(names->seed, bytes, size);
    uint32_t slot = (uint32_t)hash & names->slot_mask;
    for (; names->slots[slot] != 0; slot = (slot + 1) & names->slot_mask) {
        const struct name *name = &names->entries[names->slots[slot] - 1];
        if (name->hash == hash && name->size == size &&
            memcmp(names->text + name->at, bytes, size) == 0) {
            *number = names->slots[slot] - 1;
            return STATUS_OK;
        }
    }
    /* An entry costs memory too, however short its text: it is counted as 32 bytes. */
    if (size >= NAMES_BYTES_MAX - names->text_size || names->count >= NAMES_BYTES_MAX / 32 ||
        !make_room(names, size)) {
        return STATUS_NOMEM;
    }
    slot = (uint32_t)hash & names->slot_mask;
    while (names->slots[slot] != 0) {
        slot = (slot + 1) & names->slot_mask;
    }
    names->entries[names->count] =
        (struct name){.hash = hash, .at = names->text_size, .size = size};
    memcpy(names->text + names->text_size, bytes, size);
    names->text[names->text_size + size] = '\0';
    names->text_size += size + 1;
    *number = names->count++;
    names->slots[slot] = names->count;
    return STATUS_OK;
}

uint32_t names_count(const struct names *names) {
    return names->count;
}

const char *names_text(const struct names *names, uint32_t number, size_t *size) {
    const struct name *name = &names->entries[number];
    if (size != NULL) {
        *size = name->size;
    }
    return names->text + name->at;
}
