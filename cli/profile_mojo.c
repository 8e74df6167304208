/* Reads the MOJO binary format, versions 1 to 4, without the stack repeats and asyncio tasks that
 * some writers of version 4 add. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/key_map.h"
#include "cli/profile.h"

enum mojo_event {
    MOJO_METADATA = 1,
    MOJO_STACK = 2,
    MOJO_FRAME = 3,
    MOJO_FRAME_INVALID = 4,
    MOJO_FRAME_REF = 5,
    MOJO_FRAME_KERNEL = 6,
    MOJO_GC = 7,
    MOJO_IDLE = 8,
    MOJO_METRIC_TIME = 9,
    MOJO_METRIC_MEMORY = 10,
    MOJO_STRING = 11,
    MOJO_STRING_REF = 12,
    MOJO_STACK_REPEAT = 13,
    MOJO_TASK_RUNNING = 16,
};

enum {
    VERSION_MAX = 4,
    VERSION_WITH_COLUMNS = 2,
    VERSION_WITH_INTERPRETER = 3,
    VARINT_SHIFT_LAST = 62, /* the tenth byte's: 6 + 8 * 7 */
    KEY_UNKNOWN = 1,        /* the string "<unknown>", never defined */
    DEPTH_MAX = 1 << 20,
};

/* What reading one piece came to. */
enum outcome {
    READ,
    CUT,     /* the file ends within it */
    DAMAGED, /* `why` says how */
    STOPPED, /* `status` says why */
};

struct mojo_reader {
    struct profile_input *input;
    struct names *names;
    const struct profile_taker *taker;
    int64_t version;
    enum status status;
    const char *why;

    struct names *texts;    /* file names, functions and threads */
    struct key_map strings; /* to their number in `texts` */
    struct key_map frames;  /* to their number in `names` */
    char *scratch;          /* for putting a name together */
    size_t scratch_capacity;

    bool full; /* mode "full": a sample has its time first and its memory last */

    /* The sample being read: */
    bool has_sample, has_time, has_memory;
    struct profile_sample sample;
    int64_t time, memory;
    uint32_t thread; /* number of its name in `texts` */
    uint32_t *stack;
    uint32_t capacity;
};

static enum outcome damaged(struct mojo_reader *self, const char *why) {
    self->why = why;
    return DAMAGED;
}

static enum outcome stop_unless_ok(struct mojo_reader *self, enum status status) {
    self->status = status;
    return status == STATUS_OK ? READ : STOPPED;
}

static enum outcome read_number(struct mojo_reader *self, int64_t *value) {
    int byte = profile_input_byte(self->input);
    if (byte < 0) {
        return CUT;
    }
    bool negative = (byte & 0x40) != 0;
    uint64_t sum = (uint64_t)byte & 0x3F;
    for (unsigned shift = 6; (byte & 0x80) != 0; shift += 7) {
        byte = profile_input_byte(self->input);
        if (byte < 0) {
            return CUT;
        }
        if (shift > VARINT_SHIFT_LAST) {
            return damaged(self, "a number is too long");
        }
        sum |= ((uint64_t)byte & 0x7F) << shift;
    }
    *value = (int64_t)(negative ? 0 - sum : sum);
    return READ;
}

static enum outcome read_numbers(struct mojo_reader *self, int64_t *values, unsigned count) {
    enum outcome outcome = READ;
    for (unsigned i = 0; i < count && outcome == READ; i++) {
        outcome = read_number(self, &values[i]);
    }
    return outcome;
}

static enum outcome read_string(struct mojo_reader *self, const char **string, size_t *size) {
    switch (profile_input_until(self->input, '\0', string, size)) {
    case STATUS_OK:
        return READ;
    case STATUS_ABSENT:
        return CUT;
    default:
        return damaged(self, "a string is too long");
    }
}

/* A string whose number in `texts` is wanted. */
static enum outcome read_text(struct mojo_reader *self, uint32_t *number) {
    const char *string;
    size_t size;
    enum outcome outcome = read_string(self, &string, &size);
    if (outcome != READ) {
        return outcome;
    }
    return stop_unless_ok(self, names_intern(self->texts, string, size, number));
}

struct part {
    const char *text;
    size_t size;
};

/* The number of "file:function" in `names`. */
static enum outcome frame_name(struct mojo_reader *self, struct part file, struct part function,
                               uint32_t *number) {
    size_t size = file.size + 1 + function.size;
    if (size > self->scratch_capacity) {
        char *scratch = realloc(self->scratch, size);
        if (scratch == NULL) {
            return stop_unless_ok(self, STATUS_NOMEM);
        }
        self->scratch = scratch;
        self->scratch_capacity = size;
    }
    memcpy(self->scratch, file.text, file.size);
    self->scratch[file.size] = ':';
    memcpy(self->scratch + file.size + 1, function.text, function.size);
    return stop_unless_ok(self, names_intern(self->names, self->scratch, size, number));
}

static enum outcome push(struct mojo_reader *self, uint32_t frame) {
    if (self->sample.depth == DEPTH_MAX) {
        return damaged(self, "a stack is too deep");
    }
    if (self->sample.depth == self->capacity) {
        uint32_t capacity = self->capacity == 0 ? 128 : self->capacity * 2;
        uint32_t *stack = realloc(self->stack, capacity * sizeof *stack);
        if (stack == NULL) {
            return stop_unless_ok(self, STATUS_NOMEM);
        }
        self->stack = stack;
        self->capacity = capacity;
    }
    self->stack[self->sample.depth++] = frame;
    return READ;
}

static enum outcome push_named(struct mojo_reader *self, const char *file, struct part function) {
    uint32_t frame;
    enum outcome outcome = frame_name(self, (struct part){file, strlen(file)}, function, &frame);
    return outcome != READ ? outcome : push(self, frame);
}

/* Hands on the sample that is being read, if there is one. */
static enum outcome finish_sample(struct mojo_reader *self) {
    if (!self->has_sample) {
        return READ;
    }
    self->has_sample = false;
    self->sample.thread = names_text(self->texts, self->thread, &self->sample.thread_size);
    self->sample.frames = self->stack;
    self->sample.metric = self->has_time ? self->time : self->memory;
    return stop_unless_ok(self, self->taker->sample(self->taker->context, &self->sample));
}

static enum outcome read_metadata(struct mojo_reader *self) {
    const char *string;
    size_t size;
    enum outcome outcome = read_string(self, &string, &size);
    if (outcome != READ) {
        return outcome;
    }
    char *key = strndup(string, size); /* reading on moves it */
    if (key == NULL) {
        return stop_unless_ok(self, STATUS_NOMEM);
    }
    outcome = read_string(self, &string, &size);
    if (outcome == READ) {
        self->full = self->full || (strcmp(key, "mode") == 0 && strcmp(string, "full") == 0);
        outcome = stop_unless_ok(self, self->taker->metadata(self->taker->context, key, string));
    }
    free(key);
    return outcome;
}

static enum outcome read_stack(struct mojo_reader *self) {
    int64_t numbers[2] = {0, 0};
    enum outcome outcome =
        read_numbers(self, numbers, self->version >= VERSION_WITH_INTERPRETER ? 2 : 1);
    if (outcome == READ) {
        outcome = read_text(self, &self->thread);
    }
    if (outcome == READ) {
        self->sample = (struct profile_sample){.pid = numbers[0], .interpreter = numbers[1]};
        self->has_sample = true;
        self->has_time = false;
        self->has_memory = false;
        self->time = 0;
        self->memory = 0;
    }
    return outcome;
}

static bool find_string(const struct mojo_reader *self, int64_t key, struct part *part) {
    uint32_t number;
    if (key == KEY_UNKNOWN) {
        *part = (struct part){"<unknown>", strlen("<unknown>")};
        return true;
    }
    if (key_map_get(&self->strings, self->sample.pid, key, &number)) {
        part->text = names_text(self->texts, number, &part->size);
        return true;
    }
    *part = (struct part){"", 0};
    return key == 0; /* some writers take 0 for the empty string and do not define it */
}

static enum outcome read_frame(struct mojo_reader *self) {
    enum { KEY, FILE_NAME, SCOPE, LINE, COLUMN_END = 6 };
    int64_t numbers[COLUMN_END + 1];
    struct part file, scope;
    uint32_t frame;
    enum outcome outcome = read_numbers(
        self, numbers, self->version >= VERSION_WITH_COLUMNS ? COLUMN_END + 1 : LINE + 1);
    if (outcome != READ) {
        return outcome;
    }
    if (!find_string(self, numbers[FILE_NAME], &file) ||
        !find_string(self, numbers[SCOPE], &scope)) {
        return damaged(self, "a frame has a name that is not defined");
    }
    outcome = frame_name(self, file, scope, &frame);
    if (outcome != READ) {
        return outcome;
    }
    return stop_unless_ok(self, key_map_set(&self->frames, self->sample.pid, numbers[KEY], frame));
}

static enum outcome read_frame_ref(struct mojo_reader *self) {
    int64_t key;
    uint32_t frame;
    enum outcome outcome = read_number(self, &key);
    if (outcome != READ) {
        return outcome;
    }
    if (!key_map_get(&self->frames, self->sample.pid, key, &frame)) {
        return damaged(self, "a stack has a frame that is not defined");
    }
    return push(self, frame);
}

static enum outcome read_kernel_frame(struct mojo_reader *self) {
    struct part symbol;
    enum outcome outcome = read_string(self, &symbol.text, &symbol.size);
    return outcome != READ ? outcome : push_named(self, "kernel", symbol);
}

static enum outcome read_definition(struct mojo_reader *self) {
    int64_t key;
    uint32_t number;
    enum outcome outcome = read_number(self, &key);
    if (outcome == READ) {
        outcome = read_text(self, &number);
    }
    if (outcome != READ) {
        return outcome;
    }
    return stop_unless_ok(self, key_map_set(&self->strings, self->sample.pid, key, number));
}

/* What belongs to a sample: everything but metadata and the stack event that begins one. */
static enum outcome read_part(struct mojo_reader *self, int event) {
    int64_t ignored;
    switch (event) {
    case MOJO_FRAME:
        return read_frame(self);
    case MOJO_FRAME_INVALID:
        return push_named(self, "", (struct part){"INVALID", strlen("INVALID")});
    case MOJO_FRAME_REF:
        return read_frame_ref(self);
    case MOJO_FRAME_KERNEL:
        return read_kernel_frame(self);
    case MOJO_GC:
        return push_named(self, "", (struct part){"GC", strlen("GC")});
    case MOJO_IDLE:
        return READ;
    case MOJO_METRIC_TIME:
        self->has_time = true;
        return read_number(self, &self->time);
    case MOJO_METRIC_MEMORY:
        self->has_memory = true;
        return read_number(self, &self->memory);
    case MOJO_STRING:
        return read_definition(self);
    case MOJO_STRING_REF:
        return read_number(self, &ignored);
    default:
        if (event >= MOJO_STACK_REPEAT && event <= MOJO_TASK_RUNNING) {
            self->status = STATUS_UNSUPPORTED;
            return STOPPED;
        }
        return damaged(self, "there is no such event");
    }
}

static enum outcome read_event(struct mojo_reader *self, int event) {
    if (event == MOJO_METADATA || event == MOJO_STACK) {
        enum outcome outcome = finish_sample(self);
        if (outcome != READ) {
            return outcome;
        }
        return event == MOJO_STACK ? read_stack(self) : read_metadata(self);
    }
    /* A metric counts only when it is there whole. */
    bool had_time = self->has_time, had_memory = self->has_memory;
    enum outcome outcome = read_part(self, event);
    if (outcome != READ) {
        self->has_time = had_time;
        self->has_memory = had_memory;
    }
    return outcome;
}

/* At the end: a sample without its last metric was cut off. */
static enum outcome finish(struct mojo_reader *self, struct profile_facts *facts) {
    bool complete = self->full ? self->has_memory : self->has_time || self->has_memory;
    if (self->has_sample && !complete) {
        facts->cut = true;
        return READ;
    }
    return finish_sample(self);
}

static enum outcome read_events(struct mojo_reader *self, struct profile_facts *facts) {
    enum outcome outcome = READ;
    while (outcome == READ) {
        int event = profile_input_byte(self->input);
        if (event < 0) {
            return finish(self, facts);
        }
        outcome = read_event(self, event);
    }
    if (outcome == CUT) {
        facts->cut = true;
        outcome = finish(self, facts);
    }
    return outcome;
}

static enum status read_file(struct mojo_reader *self, struct profile_facts *facts,
                             struct error *error) {
    if (profile_input_need(self->input, 4) < 4) {
        return error_set(error, STATUS_CORRUPT, "not a profile: only the first bytes of one");
    }
    self->input->at += strlen("MOJ");
    enum outcome outcome = read_number(self, &self->version);
    if (outcome != READ || self->version < 1 || self->version > VERSION_MAX) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "a .mojo file of version %" PRId64 ", of which only 1 to %d are known",
                         outcome == READ ? self->version : -1, VERSION_MAX);
    }
    outcome = read_events(self, facts);
    if (outcome == DAMAGED) {
        return error_set(error, STATUS_CORRUPT,
                         "a damaged .mojo file: %s, in front of byte %" PRIu64, self->why,
                         profile_input_offset(self->input));
    }
    if (outcome == STOPPED && self->status == STATUS_NOMEM) {
        return error_set(error, STATUS_NOMEM,
                         "too large to be read: out of memory or of room for names");
    }
    if (outcome == STOPPED && self->status == STATUS_UNSUPPORTED) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "a .mojo file with stack repeats or asyncio tasks of Austin's, which are "
                         "not known here");
    }
    return outcome == READ ? STATUS_OK : self->status;
}

enum status profile_mojo_read(struct profile_input *input, struct names *names,
                              const struct profile_taker *taker, struct profile_facts *facts,
                              struct error *error) {
    struct mojo_reader reader = {.input = input, .names = names, .taker = taker};
    if (names_create(&reader.texts) != STATUS_OK) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    enum status status = read_file(&reader, facts, error);
    names_destroy(reader.texts);
    key_map_deinit(&reader.strings);
    key_map_deinit(&reader.frames);
    free(reader.scratch);
    free(reader.stack);
    return status;
}
