/* The collapsed text format: a line per thread and stack with its time, `# key: value` for
 * metadata. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/output/format.h"
#include "daemon/output/place_memo.h"

enum { NUMBER_MAX = 20 }; /* digits of a 64-bit number and its sign */

struct collapsed {
    struct place_memo *places;
    struct batch *lines; /* a batch whose units are line numbers: what reads the same is summed */
    uint32_t *map;       /* node of the batch being written -> node of `lines` */
    uint32_t *path;      /* nodes of one stack, leaf first */
    uint32_t capacity;   /* of both */
};

static void destroy(void *state) {
    struct collapsed *self = state;
    if (self == NULL) {
        return;
    }
    place_memo_destroy(self->places);
    batch_destroy(self->lines);
    free(self->map);
    free(self->path);
    free(self);
}

static enum status create(struct sink *sink, void **state) {
    (void)sink;
    struct collapsed *self = calloc(1, sizeof *self);
    if (self == NULL || place_memo_create(&self->places) != STATUS_OK ||
        batch_create(true, &self->lines) != STATUS_OK) {
        destroy(self);
        return STATUS_NOMEM;
    }
    *state = self;
    return STATUS_OK;
}

static void metadata(void *state, struct sink *sink, const char *key, const char *value) {
    (void)state;
    sink_append(sink, "# ", 2);
    sink_append_string(sink, key);
    sink_append(sink, ": ", 2);
    sink_append_string(sink, value);
    sink_append_byte(sink, '\n');
    sink_end_record(sink);
}

static void append_number(struct sink *sink, int64_t value) {
    char digits[NUMBER_MAX];
    char *at = digits + NUMBER_MAX;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        *--at = '-';
    }
    sink_append(sink, at, (size_t)(digits + NUMBER_MAX - at));
}

/* Room for `count` nodes in both tables. */
static bool fit(struct collapsed *self, uint32_t count) {
    if (count <= self->capacity) {
        return true;
    }
    uint32_t *map = malloc(count * sizeof *map);
    uint32_t *path = malloc(count * sizeof *path);
    if (map == NULL || path == NULL) {
        free(map);
        free(path);
        return false;
    }
    free(self->map);
    free(self->path);
    self->map = map;
    self->path = path;
    self->capacity = count;
    return true;
}

/* Gives each stack of `batch` its node in `lines`: instructions of one line are one, and hidden
 * frames are none. There is room: what is summed is never more than what it is summed from. */
static void map_nodes(struct collapsed *self, const struct batch *batch) {
    self->map[BATCH_EMPTY_STACK] = BATCH_EMPTY_STACK;
    for (uint32_t i = 1; i < batch->node_count; i++) {
        const struct batch_node *node = &batch->nodes[i];
        uint32_t parent = self->map[node->parent];
        if (node->code == NULL) {
            self->map[i] = batch_child(self->lines, parent, NULL, 0);
        } else if (node->code->hidden) {
            self->map[i] = parent;
        } else {
            const struct location *place = place_memo_find(self->places, node->code, node->unit);
            self->map[i] = batch_child(self->lines, parent, node->code, (uint32_t)place->line);
        }
    }
}

static void append_frame(struct sink *sink, const struct batch_node *node) {
    if (node->code == NULL) {
        sink_append(sink, ";:INVALID:", 10);
        return;
    }
    sink_append_byte(sink, ';');
    sink_append_string(sink, node->code->file);
    sink_append_byte(sink, ':');
    sink_append_string(sink, node->code->function[0] != '\0' ? node->code->function : "<unknown>");
    sink_append_byte(sink, ':');
    append_number(sink, (int32_t)node->unit);
}

static void append_stack(struct collapsed *self, struct sink *sink, uint32_t node) {
    const struct batch_node *nodes = self->lines->nodes;
    uint32_t depth = 0;
    while (node != BATCH_EMPTY_STACK) {
        self->path[depth++] = node;
        node = nodes[node].parent;
    }
    while (depth > 0) {
        append_frame(sink, &nodes[self->path[--depth]]);
    }
}

static enum status write_batch(void *state, struct sink *sink, const struct batch *batch) {
    struct collapsed *self = state;
    if (!fit(self, batch->node_count)) {
        return STATUS_NOMEM;
    }
    place_memo_begin(self->places);
    batch_clear(self->lines);
    map_nodes(self, batch);
    for (uint32_t i = 0; i < batch->sample_count; i++) {
        const struct batch_sample *sample = &batch->samples[i];
        (void)batch_sample(self->lines, sample->thread, self->map[sample->node], sample->count,
                           sample->metric);
    }
    for (uint32_t i = 0; i < self->lines->sample_count && sink->status == STATUS_OK; i++) {
        const struct batch_sample *sample = &self->lines->samples[i];
        const struct batch_thread *thread = &batch->threads[sample->thread];
        sink_append_byte(sink, 'P');
        append_number(sink, thread->pid);
        sink_append(sink, ";T", 2);
        append_number(sink, thread->interpreter);
        sink_append_byte(sink, ':');
        sink_append_string(sink, batch->labels + thread->label_at);
        append_stack(self, sink, sample->node);
        sink_append_byte(sink, ' ');
        append_number(sink, sample->metric);
        sink_append_byte(sink, '\n');
        sink_end_record(sink);
    }
    return STATUS_OK;
}

const struct format_ops format_collapsed = {
    .create = create,
    .destroy = destroy,
    .metadata = metadata,
    .batch = write_batch,
};
