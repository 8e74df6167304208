/* The MOJO binary format, version 3: every sample on its own, with definitions in front of their
 * use. Fields and their order are those of Austin's public description of the format. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/output/format.h"
#include "daemon/output/mojo_keys.h"
#include "daemon/output/place_memo.h"

enum mojo_event {
    MOJO_METADATA = 1,
    MOJO_STACK = 2,
    MOJO_FRAME = 3,
    MOJO_FRAME_INVALID = 4,
    MOJO_FRAME_REF = 5,
    MOJO_METRIC_TIME = 9,
    MOJO_STRING = 11,
};

enum {
    MOJO_VERSION = 3,
    STRING_KEY_UNKNOWN = 1, /* "<unknown>" for every reader, never defined */
    VARINT_MAX = 10,        /* 6 + 9 * 7 bits */
    FRAME_BYTES_MAX = 1 + VARINT_MAX,
};

struct mojo {
    struct place_memo *places;
    struct mojo_keys *keys;

    /* For the batch being written: the keys of its nodes for `pid`, 0 where not looked up yet. */
    uint64_t *node_keys;
    int32_t pid;

    uint32_t *path;      /* nodes of one stack, leaf first */
    uint32_t capacity;   /* of node_keys and path */
    unsigned char *body; /* the frame references of one stack, encoded; room for `capacity` */
};

static void destroy(void *state) {
    struct mojo *self = state;
    if (self == NULL) {
        return;
    }
    place_memo_destroy(self->places);
    mojo_keys_destroy(self->keys);
    free(self->node_keys);
    free(self->path);
    free(self->body);
    free(self);
}

static size_t varint(unsigned char out[VARINT_MAX], int64_t value) {
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    unsigned char byte = (unsigned char)((value < 0 ? 0x40U : 0U) | (rest & 0x3FU));
    size_t size = 0;
    for (rest >>= 6; rest != 0; rest >>= 7) {
        out[size++] = byte | 0x80U;
        byte = (unsigned char)(rest & 0x7FU);
    }
    out[size++] = byte;
    return size;
}

static void append_event(struct sink *sink, enum mojo_event event) {
    sink_append_byte(sink, (char)event);
}

static void append_number(struct sink *sink, int64_t value) {
    unsigned char bytes[VARINT_MAX];
    sink_append(sink, bytes, varint(bytes, value));
}

static void append_string(struct sink *sink, const char *string) {
    sink_append(sink, string, strlen(string) + 1);
}

static enum status create(struct sink *sink, void **state) {
    struct mojo *self = calloc(1, sizeof *self);
    if (self == NULL || place_memo_create(&self->places) != STATUS_OK ||
        mojo_keys_create(&self->keys) != STATUS_OK) {
        destroy(self);
        return STATUS_NOMEM;
    }
    sink_append(sink, "MOJ", 3);
    append_number(sink, MOJO_VERSION);
    sink_end_record(sink);
    *state = self;
    return STATUS_OK;
}

static void metadata(void *state, struct sink *sink, const char *key, const char *value) {
    (void)state;
    append_event(sink, MOJO_METADATA);
    append_string(sink, key);
    append_string(sink, value);
    sink_end_record(sink);
}

/* Room for a batch of `count` nodes. */
static bool fit(struct mojo *self, uint32_t count) {
    if (count <= self->capacity) {
        return true;
    }
    uint64_t *node_keys = malloc(count * sizeof *node_keys);
    uint32_t *path = malloc(count * sizeof *path);
    unsigned char *body = malloc((size_t)count * FRAME_BYTES_MAX);
    if (node_keys == NULL || path == NULL || body == NULL) {
        free(node_keys);
        free(path);
        free(body);
        return false;
    }
    free(self->node_keys);
    free(self->path);
    free(self->body);
    self->node_keys = node_keys;
    self->path = path;
    self->body = body;
    self->capacity = count;
    return true;
}

/* The key of a name, defined now if it has to be. */
static uint64_t string_key(struct mojo *self, struct sink *sink, const char *string) {
    uint64_t key;
    if (!mojo_keys_string(self->keys, self->pid, string, &key)) {
        append_event(sink, MOJO_STRING);
        append_number(sink, (int64_t)key);
        append_string(sink, string);
    }
    return key;
}

/* The key of a frame, defined now, together with its names, if it has to be. */
static uint64_t frame_key(struct mojo *self, struct sink *sink, const struct batch_node *node) {
    const struct code *code = node->code;
    const struct location *place = place_memo_find(self->places, code, node->unit);
    uint64_t key;
    if (mojo_keys_frame(self->keys, self->pid, code->serial, place, &key)) {
        return key;
    }
    uint64_t file = string_key(self, sink, code->file);
    uint64_t scope =
        code->function[0] != '\0' ? string_key(self, sink, code->function) : STRING_KEY_UNKNOWN;
    append_event(sink, MOJO_FRAME);
    append_number(sink, (int64_t)key);
    append_number(sink, (int64_t)file);
    append_number(sink, (int64_t)scope);
    append_number(sink, place->line);
    append_number(sink, place->line_end);
    append_number(sink, place->column);
    append_number(sink, place->column_end);
    return key;
}

/* Encodes the stack that ends in `node` into `body`, and appends the definitions that it needs. */
static size_t encode_stack(struct mojo *self, struct sink *sink, const struct batch_node *nodes,
                           uint32_t node) {
    uint32_t depth = 0;
    while (node != BATCH_EMPTY_STACK) {
        self->path[depth++] = node;
        node = nodes[node].parent;
    }
    unsigned char *end = self->body;
    while (depth > 0) {
        uint32_t index = self->path[--depth];
        const struct code *code = nodes[index].code;
        if (code == NULL) {
            *end++ = MOJO_FRAME_INVALID;
        } else if (!code->hidden) {
            if (self->node_keys[index] == 0) {
                self->node_keys[index] = frame_key(self, sink, &nodes[index]);
            }
            *end++ = MOJO_FRAME_REF;
            end += varint(end, (int64_t)self->node_keys[index]);
        }
    }
    return (size_t)(end - self->body);
}

/* The definitions of a stack stand behind the stack event of its first sample, which sets their
 * pid. */
static void append_samples(struct mojo *self, struct sink *sink, const struct batch *batch,
                           const struct batch_sample *sample) {
    const struct batch_thread *thread = &batch->threads[sample->thread];
    if (thread->pid != self->pid) {
        self->pid = thread->pid;
        memset(self->node_keys, 0, batch->node_count * sizeof *self->node_keys);
    }
    int64_t metric = sample->metric;
    size_t size = 0;
    for (uint32_t left = sample->count; left > 0 && sink->status == STATUS_OK; left--) {
        append_event(sink, MOJO_STACK);
        append_number(sink, thread->pid);
        append_number(sink, thread->interpreter);
        append_string(sink, batch->labels + thread->label_at);
        if (left == sample->count) {
            size = encode_stack(self, sink, batch->nodes, sample->node);
        }
        sink_append(sink, self->body, size);
        int64_t share = metric / left; /* the last one gets what is left: together they are exact */
        metric -= share;
        append_event(sink, MOJO_METRIC_TIME);
        append_number(sink, share);
        sink_end_record(sink);
    }
}

static enum status write_batch(void *state, struct sink *sink, const struct batch *batch) {
    struct mojo *self = state;
    if (!fit(self, batch->node_count)) {
        return STATUS_NOMEM;
    }
    place_memo_begin(self->places);
    memset(self->node_keys, 0, batch->node_count * sizeof *self->node_keys);
    for (uint32_t i = 0; i < batch->sample_count; i++) {
        append_samples(self, sink, batch, &batch->samples[i]);
    }
    return STATUS_OK;
}

const struct format_ops format_mojo = {
    .create = create,
    .destroy = destroy,
    .metadata = metadata,
    .batch = write_batch,
};
