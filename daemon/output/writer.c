#include "daemon/output/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/output/format.h"
#include "daemon/output/metadata_text.h"
#include "daemon/output/sink.h"

const struct writer_format output_formats[] = {
    [OUTPUT_FORMAT_AUSTIN] = {.name = "austin", .suffix = ".austin", .merge = true},
    [OUTPUT_FORMAT_MOJO] = {.name = "mojo", .suffix = ".mojo", .merge = false},
};
const unsigned output_format_count = sizeof output_formats / sizeof output_formats[0];

static const struct format_ops *const format_ops[] = {
    [OUTPUT_FORMAT_AUSTIN] = &format_collapsed,
    [OUTPUT_FORMAT_MOJO] = &format_mojo,
};

struct writer {
    const struct format_ops *ops;
    void *state;
    struct sink sink;
};

enum status writer_create(enum output_format format, int fd, struct writer **out,
                          struct error *error) {
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL || sink_init(&writer->sink, fd) != STATUS_OK) {
        free(writer);
        return error_set(error, STATUS_NOMEM, "out of memory for the profile's writer");
    }
    writer->ops = format_ops[format];
    if (writer->ops->create(&writer->sink, &writer->state) != STATUS_OK) {
        writer->sink.fd = -1; /* it stays the caller's */
        writer_destroy(writer);
        return error_set(error, STATUS_NOMEM, "out of memory for the profile's writer");
    }
    *out = writer;
    return STATUS_OK;
}

void writer_destroy(struct writer *writer) {
    if (writer == NULL) {
        return;
    }
    if (writer->state != NULL) {
        writer->ops->destroy(writer->state);
    }
    sink_deinit(&writer->sink);
    free(writer);
}

/* What is buffered is told of by the next flush; only what has failed already is told of now. */
static enum status outcome(struct writer *writer, struct error *error) {
    return writer->sink.status == STATUS_OK ? STATUS_OK : sink_flush(&writer->sink, error);
}

enum status writer_metadata(struct writer *writer, const char *key, const char *value,
                            struct error *error) {
    char *clean_key = metadata_text_key(key);
    char *clean_value = metadata_text_value(value);
    if (clean_key != NULL && clean_value != NULL) {
        writer->ops->metadata(writer->state, &writer->sink, clean_key, clean_value);
    }
    bool complete = clean_key != NULL && clean_value != NULL;
    free(clean_key);
    free(clean_value);
    if (!complete) {
        return error_set(error, STATUS_NOMEM, "out of memory while writing the profile");
    }
    return outcome(writer, error);
}

enum status writer_metadata_number(struct writer *writer, const char *key, int64_t value,
                                   struct error *error) {
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    return writer_metadata(writer, key, text, error);
}

enum status writer_batch(struct writer *writer, const struct batch *batch, struct error *error) {
    if (writer->sink.status == STATUS_OK &&
        writer->ops->batch(writer->state, &writer->sink, batch) != STATUS_OK) {
        return error_set(error, STATUS_NOMEM, "out of memory while writing the profile");
    }
    return outcome(writer, error);
}

enum status writer_flush(struct writer *writer, struct error *error) {
    return sink_flush(&writer->sink, error);
}

enum status writer_finish(struct writer *writer, struct error *error) {
    return sink_finish(&writer->sink, error);
}
