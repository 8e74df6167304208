#include "daemon/output/mojo_keys.h"

#include <stdlib.h>
#include <string.h>

enum {
    FRAME_BITS = 15,
    FRAMES = 1 << FRAME_BITS,
    STRING_BITS = 13,
    STRINGS = 1 << STRING_BITS,
    TEXT_BYTES = 1024 * 1024, /* bytes of all strings remembered */
    PROBES = 8,               /* slots that are tried; then the first of them is taken */
    STRING_KEY_FIRST = 2,     /* 1 is "<unknown>" for every reader, 0 the empty string for some */
    FRAME_KEY_FIRST = 1,      /* 0 marks a free slot */
};

struct known_frame {
    uint64_t key; /* 0: free */
    uint64_t serial;
    struct location place;
    int32_t pid;
};

struct known_string {
    uint64_t key; /* 0: free */
    uint32_t hash;
    int32_t pid;
    uint32_t at, size; /* in `text` */
};

struct mojo_keys {
    uint64_t next_frame, next_string;
    uint32_t text_size;
    struct known_frame frames[FRAMES];
    struct known_string strings[STRINGS];
    char text[TEXT_BYTES];
};

enum status mojo_keys_create(struct mojo_keys **out) {
    struct mojo_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL) {
        return STATUS_NOMEM;
    }
    keys->next_frame = FRAME_KEY_FIRST;
    keys->next_string = STRING_KEY_FIRST;
    *out = keys;
    return STATUS_OK;
}

void mojo_keys_destroy(struct mojo_keys *keys) {
    free(keys);
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15U;
    return hash ^ hash >> 32;
}

bool mojo_keys_frame(struct mojo_keys *keys, int32_t pid, uint64_t serial,
                     const struct location *place, uint64_t *key) {
    uint64_t hash = mix(serial, (uint32_t)pid);
    hash = mix(hash, (uint64_t)(uint32_t)place->line << 32 | (uint32_t)place->line_end);
    hash = mix(hash, (uint64_t)(uint32_t)place->column << 32 | (uint32_t)place->column_end);
    struct known_frame *slot = NULL;
    for (uint32_t probe = 0; probe < PROBES; probe++) {
        struct known_frame *frame = &keys->frames[(hash + probe) % FRAMES];
        if (frame->key == 0) {
            slot = frame;
            break;
        }
        if (frame->serial == serial && frame->pid == pid && frame->place.line == place->line &&
            frame->place.line_end == place->line_end && frame->place.column == place->column &&
            frame->place.column_end == place->column_end) {
            *key = frame->key;
            return true;
        }
    }
    if (slot == NULL) {
        slot = &keys->frames[hash % FRAMES];
    }
    *slot = (struct known_frame){
        .key = keys->next_frame++, .serial = serial, .place = *place, .pid = pid};
    *key = slot->key;
    return false;
}

static uint64_t string_hash(const char *string, size_t size) {
    uint64_t hash = size;
    uint64_t word;
    for (; size >= sizeof word; string += sizeof word, size -= sizeof word) {
        memcpy(&word, string, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, string, size);
    return mix(hash, word);
}

bool mojo_keys_string(struct mojo_keys *keys, int32_t pid, const char *string, uint64_t *key) {
    size_t size = strlen(string);
    uint64_t hash = mix(string_hash(string, size), (uint32_t)pid);
    struct known_string *slot = NULL;
    for (uint32_t probe = 0; probe < PROBES; probe++) {
        struct known_string *known = &keys->strings[(hash + probe) % STRINGS];
        if (known->key == 0) {
            slot = known;
            break;
        }
        if (known->hash == hash >> 32 && known->pid == pid && known->size == size &&
            memcmp(keys->text + known->at, string, size) == 0) {
            *key = known->key;
            return true;
        }
    }
    *key = keys->next_string++;
    if (size > TEXT_BYTES / 16) {
        return false; /* not worth the room of so many others */
    }
    if (TEXT_BYTES - keys->text_size < size) {
        memset(keys->strings, 0, sizeof keys->strings);
        keys->text_size = 0;
        slot = NULL;
    }
    if (slot == NULL) {
        slot = &keys->strings[hash % STRINGS];
    }
    *slot = (struct known_string){.key = *key,
                                  .hash = (uint32_t)(hash >> 32),
                                  .pid = pid,
                                  .at = keys->text_size,
                                  .size = (uint32_t)size};
    memcpy(keys->text + keys->text_size, string, size);
    keys->text_size += (uint32_t)size;
    return false;
}
