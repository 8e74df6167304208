/* Reads the collapsed text format: `# key: value`, and `P<pid>;T<iid>:<thread>;<frame>...
 * <metric>`. */
#include <stdlib.h>
#include <string.h>

#include "cli/profile.h"

enum { DEPTH_MAX = 1 << 20, EXCERPT_MAX = 40 };

struct text_reader {
    struct names *names;
    const struct profile_taker *taker;
    uint32_t *frames;
    uint32_t capacity;
    bool seen_sample;
};

/* A decimal number that takes up all of [at, end). */
static bool parse_number(const char *at, const char *end, int64_t *value) {
    bool negative = at < end && *at == '-';
    int64_t sum = 0;
    at += negative;
    if (at == end) {
        return false;
    }
    for (; at < end; at++) {
        /* Summed below zero, where there is room for one more. */
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_sub_overflow(sum, *at - '0', &sum)) {
            return false;
        }
    }
    if (negative) {
        *value = sum;
        return true;
    }
    return !__builtin_sub_overflow(0, sum, value);
}

/* One number, or `time,idle,memory` in mode "full", where the time is the metric. */
static bool parse_metric(const char *at, const char *end, int64_t *metric) {
    const char *comma = memchr(at, ',', (size_t)(end - at));
    if (comma == NULL) {
        return parse_number(at, end, metric);
    }
    int64_t ignored;
    const char *second = memchr(comma + 1, ',', (size_t)(end - comma - 1));
    return second != NULL && parse_number(at, comma, metric) &&
           parse_number(comma + 1, second, &ignored) && parse_number(second + 1, end, &ignored);
}

/* `<iid>:<thread>`, or only the thread, as Austin wrote it before 3.4. */
static void parse_thread(const char *at, const char *end, struct profile_sample *sample) {
    const char *colon = memchr(at, ':', (size_t)(end - at));
    if (colon != NULL && parse_number(at, colon, &sample->interpreter)) {
        at = colon + 1;
    }
    sample->thread = at;
    sample->thread_size = (size_t)(end - at);
}

/* `<file>:<function>:<line>`; what special frames have instead of a line is nothing. */
static bool is_frame(const char *at, const char *end, const char **end_of_function) {
    const char *line = memrchr(at, ':', (size_t)(end - at));
    if (line == NULL || memchr(at, ':', (size_t)(line - at)) == NULL) {
        return false;
    }
    for (const char *digit = line + 1; digit < end; digit++) {
        if ((*digit < '0' || *digit > '9') && !(digit == line + 1 && *digit == '-')) {
            return false;
        }
    }
    *end_of_function = line;
    return true;
}

/* `*valid` says whether it is one; a status other than OK ends the reading. */
static enum status add_frame(struct text_reader *self, const char *at, const char *end,
                             uint32_t depth, bool *valid) {
    const char *end_of_function;
    *valid = depth < DEPTH_MAX && is_frame(at, end, &end_of_function);
    if (!*valid) {
        return STATUS_OK;
    }
    if (depth == self->capacity) {
        uint32_t capacity = self->capacity == 0 ? 128 : self->capacity * 2;
        uint32_t *frames = realloc(self->frames, capacity * sizeof *frames);
        if (frames == NULL) {
            return STATUS_NOMEM;
        }
        self->frames = frames;
        self->capacity = capacity;
    }
    return names_intern(self->names, at, (size_t)(end_of_function - at), &self->frames[depth]);
}

/* `*valid` says whether the line is a sample. */
static enum status read_sample(struct text_reader *self, const char *line, const char *end,
                               bool *valid) {
    struct profile_sample sample = {.depth = 0};
    const char *space = memrchr(line, ' ', (size_t)(end - line));
    const char *thread = memchr(line, ';', (size_t)(end - line));
    *valid = false;
    if (line == end || *line != 'P' || space == NULL || thread == NULL || thread >= space ||
        thread[1] != 'T' || !parse_number(line + 1, thread, &sample.pid) ||
        !parse_metric(space + 1, end, &sample.metric)) {
        return STATUS_OK;
    }
    const char *frame = memchr(thread + 1, ';', (size_t)(space - thread - 1));
    parse_thread(thread + 2, frame != NULL ? frame : space, &sample);
    while (frame != NULL) {
        const char *next = memchr(frame + 1, ';', (size_t)(space - frame - 1));
        enum status status =
            add_frame(self, frame + 1, next != NULL ? next : space, sample.depth, valid);
        if (status != STATUS_OK || !*valid) {
            return status;
        }
        sample.depth++;
        frame = next;
    }
    sample.frames = self->frames;
    *valid = true;
    self->seen_sample = true;
    return self->taker->sample(self->taker->context, &sample);
}

/* `*valid` says whether the line is metadata. */
static enum status read_metadata(struct text_reader *self, const char *line, const char *end,
                                 bool *valid) {
    const char *separator = memmem(line, (size_t)(end - line), ": ", 2);
    *valid = end - line > 2 && line[0] == '#' && line[1] == ' ' && separator != NULL;
    if (!*valid) {
        return STATUS_OK;
    }
    char *key = strndup(line + 2, (size_t)(separator - line - 2));
    char *value = strndup(separator + 2, (size_t)(end - separator - 2));
    enum status status = key == NULL || value == NULL
                             ? STATUS_NOMEM
                             : self->taker->metadata(self->taker->context, key, value);
    free(key);
    free(value);
    return status;
}

static enum status read_line(struct text_reader *self, const char *line, const char *end,
                             bool *valid) {
    if (end > line && end[-1] == '\r') {
        end--;
    }
    *valid = line == end;
    if (*valid) {
        return STATUS_OK;
    }
    return *line == '#' ? read_metadata(self, line, end, valid)
                        : read_sample(self, line, end, valid);
}

/* The beginning of a line that is no sample, printable. */
static enum status refuse(uint64_t number, const char *line, size_t size, struct error *error) {
    char excerpt[EXCERPT_MAX + 1];
    size_t length = size < EXCERPT_MAX ? size : EXCERPT_MAX;
    for (size_t i = 0; i < length; i++) {
        excerpt[i] = line[i];
        if (excerpt[i] < ' ' || excerpt[i] > '~') {
            excerpt[i] = '?';
        }
    }
    excerpt[length] = '\0';
    return error_set(error, STATUS_CORRUPT,
                     "not a profile: it is no .mojo file, and line %llu is no line of an .austin "
                     "file: \"%s%s\"",
                     (unsigned long long)number, excerpt, size > length ? "..." : "");
}

static enum status read_lines(struct text_reader *self, struct profile_input *input,
                              struct profile_facts *facts, struct error *error) {
    for (uint64_t number = 1;; number++) {
        const char *line;
        size_t size;
        bool valid = false;
        enum status status = profile_input_until(input, '\n', &line, &size);
        if (status == STATUS_CORRUPT) {
            return error_set(error, STATUS_CORRUPT,
                             "not a profile: line %llu is longer than %d MiB",
                             (unsigned long long)number, PROFILE_INPUT_PIECE_MAX >> 20);
        }
        if (status == STATUS_ABSENT) {
            /* What stands there without a line break may lack some digits of its metric. Only if
             * nothing has been found yet it decides whether this is a profile at all. */
            size = input->end - input->at;
            facts->cut = size > 0;
            if (number == 1 && size > 0 && *(line = input->data + input->at) != 'P' &&
                *line != '#') {
                return refuse(number, line, size, error);
            }
            return STATUS_OK;
        }
        status = read_line(self, line, line + size, &valid);
        if (status != STATUS_OK) {
            return status == STATUS_NOMEM ? error_set(error, status,
                                                      "too large to be read: out of "
                                                      "memory or of room for names")
                                          : status;
        }
        if (!valid && !self->seen_sample) {
            return refuse(number, line, size, error);
        }
        facts->skipped += !valid;
    }
}

enum status profile_text_read(struct profile_input *input, struct names *names,
                              const struct profile_taker *taker, struct profile_facts *facts,
                              struct error *error) {
    struct text_reader reader = {.names = names, .taker = taker};
    enum status status = read_lines(&reader, input, facts, error);
    free(reader.frames);
    return status;
}
