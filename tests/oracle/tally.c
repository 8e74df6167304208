#include "tests/oracle/tally.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TALLY_BUCKETS = 16384 };

struct entry {
    struct entry *next;
    uint64_t seen;
    uint32_t count;
    uint32_t names[];
};

struct tally {
    struct entry *buckets[TALLY_BUCKETS];
};

enum status tally_create(struct tally **out) {
    struct tally *tally = calloc(1, sizeof *tally);
    if (tally == NULL) {
        return STATUS_NOMEM;
    }
    *out = tally;
    return STATUS_OK;
}

static void tally_clear(struct tally *tally) {
    for (uint32_t i = 0; i < TALLY_BUCKETS; ++i) {
        while (tally->buckets[i] != NULL) {
            struct entry *entry = tally->buckets[i];
            tally->buckets[i] = entry->next;
            free(entry);
        }
    }
}

void tally_destroy(struct tally *tally) {
    if (tally != NULL) {
        tally_clear(tally);
        free(tally);
    }
}

enum status tally_add(struct tally *tally, const uint32_t *names, uint32_t count) {
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < count; ++i) {
        hash = (hash ^ names[i]) * 16777619u;
    }
    size_t size = count * sizeof *names;
    struct entry **bucket = &tally->buckets[hash % TALLY_BUCKETS];
    for (struct entry *entry = *bucket; entry != NULL; entry = entry->next) {
        if (entry->count == count && memcmp(entry->names, names, size) == 0) {
            entry->seen++;
            return STATUS_OK;
        }
    }
    struct entry *entry = malloc(sizeof *entry + size);
    if (entry == NULL) {
        return STATUS_NOMEM;
    }
    *entry = (struct entry){.next = *bucket, .seen = 1, .count = count};
    memcpy(entry->names, names, size);
    *bucket = entry;
    return STATUS_OK;
}

void tally_flush(struct tally *tally, const struct names *names, pid_t pid, pid_t tid, FILE *out) {
    for (uint32_t i = 0; i < TALLY_BUCKETS; ++i) {
        for (struct entry *entry = tally->buckets[i]; entry != NULL; entry = entry->next) {
            (void)fprintf(out, "P%d;T0:thread %d", pid, tid);
            for (uint32_t n = entry->count; n > 0; --n) {
                uint32_t name = entry->names[n - 1];
                if (name == NAMES_INVALID) {
                    (void)fputs(";:INVALID:", out);
                } else {
                    (void)fprintf(out, ";%s:0", names_text(names, name));
                }
            }
            (void)fprintf(out, " %" PRIu64 "\n", entry->seen);
        }
    }
    tally_clear(tally);
}
