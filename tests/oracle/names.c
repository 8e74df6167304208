#include "tests/oracle/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/guard.h"

enum { TEXT_MAX = 512, BUCKETS = 4096, SEEN_SLOTS = 256, CODE_BYTES_MAX = 512 };

struct name {
    struct name *next; /* in its bucket */
    uint32_t number;
    char text[];
};

struct seen {
    uint64_t code;
    uint32_t number;
    uint32_t round;
};

struct names {
    struct name *buckets[BUCKETS];
    struct name **by_number;
    uint32_t count, capacity;
    struct seen seen[SEEN_SLOTS];
    uint32_t round;
};

enum status names_create(struct names **out) {
    struct names *names = calloc(1, sizeof *names);
    if (names == NULL) {
        return STATUS_NOMEM;
    }
    *out = names;
    return STATUS_OK;
}

void names_destroy(struct names *names) {
    if (names == NULL) {
        return;
    }
    for (uint32_t i = 0; i < names->count; ++i) {
        free(names->by_number[i]);
    }
    free(names->by_number);
    free(names);
}

void names_begin(struct names *names) {
    names->round++;
}

static void die_of_memory(void) {
    (void)fputs("stopped: out of memory\n", stderr);
    abort();
}

static uint32_t name_intern(struct names *names, const char *text) {
    uint32_t hash = 2166136261u;
    for (const char *c = text; *c != '\0'; ++c) {
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    }
    struct name **bucket = &names->buckets[hash % BUCKETS];
    for (struct name *name = *bucket; name != NULL; name = name->next) {
        if (strcmp(name->text, text) == 0) {
            return name->number;
        }
    }
    if (names->count == names->capacity) {
        uint32_t capacity = names->capacity == 0 ? 256 : names->capacity * 2;
        struct name **more = realloc(names->by_number, capacity * sizeof *more);
        if (more == NULL) {
            die_of_memory();
        }
        names->by_number = more;
        names->capacity = capacity;
    }
    size_t length = strlen(text);
    struct name *name = malloc(sizeof *name + length + 1);
    if (name == NULL) {
        die_of_memory();
    }
    name->next = *bucket;
    name->number = names->count;
    memcpy(name->text, text, length + 1);
    *bucket = name;
    names->by_number[names->count] = name;
    return names->count++;
}

/* An ASCII str; the workloads have no others. */
static bool string_read(const struct subject *subject, uint64_t address, char *out, size_t room) {
    const struct py_layout *layout = &subject->layout;
    uint8_t head[64];
    uint32_t state;
    if (!subject_read(subject, address, head, layout->unicode.ascii_data)) {
        return false;
    }
    uint64_t length = subject_word(subject, head, layout->unicode.length);
    memcpy(&state, head + layout->unicode.state, sizeof state);
    if ((state >> layout->unicode.ascii_shift & 1) == 0 || length >= room ||
        !subject_read(subject, address + layout->unicode.ascii_data, out, length)) {
        return false;
    }
    out[length] = '\0';
    return true;
}

static void text_clean(char *text, const char *unwanted) {
    for (; *text != '\0'; ++text) {
        if ((unsigned char)*text < ' ' || strchr(unwanted, *text) != NULL) {
            *text = '_';
        }
    }
}

static bool is_code_type(struct subject *subject, uint64_t type) {
    uint64_t name;
    char text[5];
    if (type == subject->code_type && type != 0) {
        return true;
    }
    if (!subject_read_word(subject, type + subject->layout.type.name, &name) ||
        !subject_read(subject, name, text, sizeof text) || memcmp(text, "code", sizeof text) != 0) {
        return false;
    }
    subject->code_type = type;
    return true;
}

static uint32_t code_read(struct names *names, struct subject *subject, uint64_t code) {
    const struct py_layout *layout = &subject->layout;
    bool qualified = layout->code.qualname != LAYOUT_ABSENT;
    uint32_t name_offset = qualified ? layout->code.qualname : layout->code.name;
    uint32_t size = layout->code.linetable + layout->word_size;
    uint8_t bytes[CODE_BYTES_MAX];
    char file[TEXT_MAX], function[TEXT_MAX], text[2 * TEXT_MAX + 2];
    if (size > sizeof bytes || !subject_read(subject, code, bytes, size) ||
        !is_code_type(subject, subject_word(subject, bytes, layout->object.ob_type))) {
        return NAMES_INVALID;
    }
    uint64_t file_at = subject_word(subject, bytes, layout->code.filename);
    uint64_t function_at = subject_word(subject, bytes, name_offset);
    if (!string_read(subject, file_at, file, sizeof file) ||
        !string_read(subject, function_at, function, sizeof function)) {
        return NAMES_INVALID;
    }
    /* The code behind calls of a class with a Python __init__, from 3.12 on: Python/specialize.c,
     * _Py_InitCleanup, carries its name as its file's too. */
    if (file_at == function_at) {
        return NAMES_NONE;
    }
    /* An entry frame that is not marked as one: dead, under a new frame that is not linked yet. */
    if (strcmp(function, "<interpreter trampoline>") == 0) {
        return NAMES_INVALID;
    }
    text_clean(file, ";");
    text_clean(function, ";:");
    (void)snprintf(text, sizeof text, "%s:%s", file, function);
    return name_intern(names, text);
}

uint32_t names_of_code(struct names *names, struct subject *subject, uint64_t code) {
    struct seen *seen = &names->seen[(code >> 4) % SEEN_SLOTS];
    if (seen->code != code || seen->round != names->round) {
        *seen = (struct seen){code, code_read(names, subject, code), names->round};
    }
    return seen->number;
}

const char *names_text(const struct names *names, uint32_t number) {
    return names->by_number[number]->text;
}
