/* sink: a buffer in front of a descriptor, which knows where each record ends. Owned by a writer
 * and used by its thread only; owns the descriptor. Cold: it allocates and blocks.
 *
 * Only whole records are handed to the kernel (but for one that is larger than SINK_RECORD_MAX), so
 * that a daemon that is killed leaves whole records behind. After a failed write a regular file is
 * cut back to the end of its last whole record. Appending to a sink that has failed does nothing;
 * the failure stays and is told by sink_flush. */
#ifndef ECHION_DAEMON_OUTPUT_SINK_H
#define ECHION_DAEMON_OUTPUT_SINK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/status.h"

enum {
    SINK_FLUSH_AT = 64 * 1024,         /* a record that ends beyond this empties the buffer */
    SINK_RECORD_MAX = 4 * 1024 * 1024, /* the buffer grows up to this for one record */
    SINK_MARKS_MAX = 16 * 1024,
};

struct sink {
    int fd;
    enum status status;
    int error_number; /* errno of the failed write, 0 for want of memory */
    char *data;
    size_t size, capacity;
    uint32_t *marks; /* offsets in `data` where records end, in order */
    uint32_t mark_count;
    uint64_t
        partial; /* bytes in front of `data` that are written and belong to an unfinished record */
};

/* Takes over `fd` on success. STATUS_NOMEM otherwise. */
STATUS_CHECKED enum status sink_init(struct sink *sink, int fd);

/* Closes the descriptor and drops what was not flushed. A sink of zeros with fd -1 is accepted. */
void sink_deinit(struct sink *sink);

/* Makes room for `count` bytes, or says that there is none to be had: sink_append below does this.
 */
void sink_make_room(struct sink *sink, size_t count);

/* Ends a record: everything up to here can be read on its own. Writes when enough has gathered. */
void sink_end_record(struct sink *sink);

/* Hands all whole records to the kernel, and tells of the first failure, now or earlier:
 * STATUS_GONE when nobody reads any more, STATUS_NOMEM, or STATUS_SYS with errno's text. */
STATUS_CHECKED enum status sink_flush(struct sink *sink, struct error *error);

/* Flushes and closes the descriptor, and tells of a failure that only closing it shows. */
STATUS_CHECKED enum status sink_finish(struct sink *sink, struct error *error);

static inline void sink_append(struct sink *sink, const void *bytes, size_t count) {
    if (sink->capacity - sink->size < count) {
        sink_make_room(sink, count);
    }
    if (sink->status == STATUS_OK) {
        memcpy(sink->data + sink->size, bytes, count);
        sink->size += count;
    }
}

static inline void sink_append_byte(struct sink *sink, char byte) {
    sink_append(sink, &byte, 1);
}

static inline void sink_append_string(struct sink *sink, const char *string) {
    sink_append(sink, string, strlen(string));
}

#endif
