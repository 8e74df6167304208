#include "daemon/python/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/guard.h"

enum {
    MINOR_FIRST =
        7, /* older ones have no _PyRuntime, newer ones than the last say more of themselves */
    MINOR_LAST = 12,
    MINOR_COUNT = MINOR_LAST - MINOR_FIRST + 1,
    MICRO_MAX = 99,
    PIECE = 1 << 18,    /* bytes read at once */
    OVERLAP = 64,       /* of two pieces: twice as much as any text that we look for */
    SCAN_MAX = 1 << 28, /* bytes */
};

/* Release levels in PY_VERSION_HEX (Include/patchlevel.h). */
enum { LEVEL_ALPHA = 0xa, LEVEL_BETA = 0xb, LEVEL_CANDIDATE = 0xc, LEVEL_FINAL = 0xf };

bool version_is_plausible(uint64_t hex) {
    unsigned level = (unsigned)(hex >> 4 & 0xf);
    return hex <= UINT32_MAX && version_major((uint32_t)hex) >= 3 &&
           version_major((uint32_t)hex) < 10 &&
           (level == LEVEL_FINAL || (level >= LEVEL_ALPHA && level <= LEVEL_CANDIDATE));
}

void version_text(uint32_t hex, bool micro_known, char *out, size_t capacity) {
    if (!micro_known) {
        (void)snprintf(out, capacity, "%u.%u", version_major(hex), version_minor(hex));
        return;
    }
    char pre[8] = "";
    unsigned level = hex >> 4 & 0xf;
    if (level != LEVEL_FINAL) {
        const char *name = level == LEVEL_ALPHA ? "a" : level == LEVEL_BETA ? "b" : "rc";
        (void)snprintf(pre, sizeof pre, "%s%u", name, hex & 0xf);
    }
    (void)snprintf(out, capacity, "%u.%u.%u%s", version_major(hex), version_minor(hex),
                   hex >> 8 & 0xff, pre);
}

/* What the constants say about one minor version. */
struct vote {
    bool named;    /* "python3.9" */
    bool numbered; /* "3.9.2" */
    bool disputed; /* "3.9.2" and "3.9.7" */
    uint32_t hex;
};

struct votes {
    struct vote of[MINOR_COUNT];
};

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

/* A number of one or two digits. The text is followed by a NUL at the latest. */
static bool small_number(const uint8_t **at, unsigned *out) {
    if (!is_digit(**at)) {
        return false;
    }
    unsigned value = 0;
    for (unsigned i = 0; i < 2 && is_digit(**at); ++i) {
        value = value * 10 + (unsigned)(*(*at)++ - '0');
    }
    *out = value;
    return !is_digit(**at);
}

/* Release level and serial behind the micro version: "", "a4", "b1", "rc2", each maybe with "+". */
static bool level_take(const uint8_t **at, uint32_t *out) {
    unsigned level = LEVEL_FINAL;
    unsigned serial = 0;
    if (**at == 'a' || **at == 'b') {
        level = *(*at)++ == 'a' ? LEVEL_ALPHA : LEVEL_BETA;
    } else if ((*at)[0] == 'r' && (*at)[1] == 'c') {
        level = LEVEL_CANDIDATE;
        *at += 2;
    }
    if (level != LEVEL_FINAL && (!small_number(at, &serial) || serial > 0xf)) {
        return false;
    }
    *at += **at == '+' ? 1 : 0;
    *out = level << 4 | serial;
    return true;
}

/* Looks at a place where "3." stands, with bytes before it and a NUL behind it that may be looked
 * at. */
static void place_count(const uint8_t *place, struct votes *votes) {
    const uint8_t *at = place + 2;
    unsigned minor = 0;
    if (!small_number(&at, &minor) || minor < MINOR_FIRST || minor > MINOR_LAST) {
        return;
    }
    struct vote *vote = &votes->of[minor - MINOR_FIRST];
    static const char name[] = "python";
    if (memcmp(place - (sizeof name - 1), name, sizeof name - 1) == 0 && *at != '.') {
        vote->named = true;
        return;
    }
    /* The linker lets PY_VERSION share the tail of longer strings, such as ".../Python-3.9.2". */
    unsigned micro = 0;
    uint32_t level = 0;
    if (is_digit(place[-1]) || place[-1] == '.' || *at++ != '.' || !small_number(&at, &micro) ||
        !level_take(&at, &level) || *at != '\0') {
        return;
    }
    uint32_t hex = 3U << 24 | minor << 16 | micro << 8 | level;
    vote->disputed = vote->disputed || (vote->numbered && vote->hex != hex);
    vote->numbered = true;
    vote->hex = hex;
}

/* Counts what begins in bytes [first, end). (memchr is an order faster than memmem here.) */
static void piece_count(const uint8_t *bytes, size_t first, size_t end, struct votes *votes) {
    const uint8_t *from = bytes + first;
    if (first >= end) {
        return;
    }
    for (const uint8_t *hit; (hit = memchr(from, '3', (size_t)(bytes + end - from))) != NULL;
         from = hit + 1) {
        if (hit[1] == '.') {
            place_count(hit, votes);
        }
    }
}

/* Counts in one mapping. `buffer` has room for a piece with OVERLAP zeros on both sides. */
static enum status mapping_count(const struct memory *memory, const struct mapping *mapping,
                                 uint8_t *buffer, uint64_t *budget, struct votes *votes) {
    uint64_t extent = mapping->end.v - mapping->start.v;
    uint8_t *piece = buffer + OVERLAP;
    for (uint64_t begin = 0; begin < extent && *budget != 0; begin += PIECE - OVERLAP) {
        uint64_t left = extent - begin;
        struct iovec remote = {.iov_base = (void *)(uintptr_t)(mapping->start.v + begin),
                               .iov_len = left < PIECE ? (size_t)left : PIECE};
        size_t got = 0;
        enum status status = memory_read_batch(memory, piece, &remote, 1, &got);
        if (status != STATUS_OK) {
            return status == STATUS_TORN ? STATUS_OK : status;
        }
        memset(piece + got, 0, OVERLAP);
        /* A text near the end of a piece may be cut: it is left to the next one, which has it
         * whole. A short read is the end: pages behind the file's end cannot be read. */
        bool last = got < PIECE;
        piece_count(piece, begin == 0 ? 0 : OVERLAP / 2, last ? got : got - OVERLAP / 2, votes);
        *budget -= got < *budget ? got : *budget;
        if (last) {
            break;
        }
    }
    return STATUS_OK;
}

static enum status object_count(const struct elf_image *image, const struct mapped_object *object,
                                bool executable, struct votes *votes) {
    GUARD_FREE uint8_t *buffer = calloc(1, PIECE + 2 * OVERLAP);
    if (buffer == NULL) {
        return STATUS_NOMEM;
    }
    uint64_t budget = SCAN_MAX;
    for (const struct mapping *item = object->first; item <= object->last; ++item) {
        if (!mapped_object_owns(object, item) || !item->readable || item->writable ||
            item->executable != executable) {
            continue;
        }
        enum status status = mapping_count(&image->memory, item, buffer, &budget, votes);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* The one version that the constants speak for: of those whose folder is named, if any is. */
static enum status votes_decide(const struct votes *votes, uint32_t *hex, bool *micro_known) {
    bool any_named = false;
    for (unsigned i = 0; i < MINOR_COUNT; ++i) {
        any_named = any_named || votes->of[i].named;
    }
    const struct vote *winner = NULL;
    for (unsigned i = 0; i < MINOR_COUNT; ++i) {
        const struct vote *vote = &votes->of[i];
        if (any_named ? !vote->named : !vote->numbered) {
            continue;
        }
        /* Of several named ones, the one that also has a number. */
        if (winner != NULL && vote->numbered == winner->numbered) {
            return STATUS_ABSENT;
        }
        winner = winner == NULL || vote->numbered ? vote : winner;
    }
    if (winner == NULL) {
        return STATUS_ABSENT;
    }
    *micro_known = winner->numbered && !winner->disputed;
    unsigned minor = MINOR_FIRST + (unsigned)(winner - votes->of);
    *hex = *micro_known ? winner->hex : 3U << 24 | minor << 16 | LEVEL_FINAL << 4;
    return STATUS_OK;
}

enum status version_find(const struct elf_image *image, const struct mapped_object *object,
                         uint32_t *hex, bool *micro_known) {
    struct votes votes = {.of = {{.named = false}}};
    enum status status = object_count(image, object, false, &votes);
    if (status == STATUS_OK && votes_decide(&votes, hex, micro_known) == STATUS_OK) {
        return STATUS_OK;
    }
    /* Linked without -z separate-code, constants stand among the code. */
    if (status == STATUS_OK) {
        status = object_count(image, object, true, &votes);
    }
    return status == STATUS_OK ? votes_decide(&votes, hex, micro_known) : status;
}
