/* format: what a file format has to provide to be one of the writer's. Inside daemon/output only;
 * used by the writing thread.
 *
 * A format appends records to the sink and marks their ends; it never flushes, and leaves failures
 * of the sink to the writer. Its state belongs to the writer that made it. */
#ifndef ECHION_DAEMON_OUTPUT_FORMAT_H
#define ECHION_DAEMON_OUTPUT_FORMAT_H

#include "common/status.h"
#include "daemon/aggregate/batch.h"
#include "daemon/output/sink.h"

struct format_ops {
    /* Makes the format's state and appends what a file begins with. STATUS_NOMEM if that fails. */
    enum status (*create)(struct sink *sink, void **state);
    void (*destroy)(void *state); /* accepts NULL */

    /* One metadata record. `key` and `value` are valid UTF-8 without control characters. */
    void (*metadata)(void *state, struct sink *sink, const char *key, const char *value);

    /* All samples of a batch. STATUS_NOMEM if it runs out of memory. */
    enum status (*batch)(void *state, struct sink *sink, const struct batch *batch);
};

extern const struct format_ops format_collapsed; /* collapsed.c */
extern const struct format_ops format_mojo;      /* mojo.c */

#endif
