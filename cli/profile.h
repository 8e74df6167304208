/* profile: reads a profile, from this program or from Austin, as a stream of samples. A function
 * per format (profile_text.c, profile_mojo.c) behind one that tells them apart. One thread; what it
 * reads may have been written by anybody.
 *
 * A file whose writer was killed ends in the middle of a record: that record is left out. */
#ifndef ECHION_CLI_PROFILE_H
#define ECHION_CLI_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/names.h"
#include "cli/profile_input.h"
#include "common/status.h"

enum profile_format {
    PROFILE_TEXT, /* collapsed, .austin */
    PROFILE_MOJO, /* binary, .mojo, versions 1 to 4 */
};

/* Frames are numbers in `names` below, each the text "file:function". Special frames have no file:
 * ":INVALID" where the stack could not be read further, ":GC" while collecting garbage. */
struct profile_sample {
    int64_t pid;
    int64_t interpreter; /* 0 where the format does not tell */
    const char *thread;  /* `thread_size` bytes; any bytes at all */
    size_t thread_size;
    const uint32_t *frames; /* outermost first */
    uint32_t depth;
    int64_t metric; /* microseconds; in mode "memory" bytes */
};

/* Who takes what is read. A status other than OK ends the reading and is handed on. What the
 * pointers lead to is valid during the call only. */
struct profile_taker {
    void *context;
    enum status (*metadata)(void *context, const char *key, const char *value);
    enum status (*sample)(void *context, const struct profile_sample *sample);
};

struct profile_facts {
    enum profile_format format;
    bool cut;         /* the last record was cut off and left out */
    uint64_t skipped; /* lines among the samples that are none, left out */
};

/* Reads all of `input`; the frames' texts go to `names`. CORRUPT: this is no profile, or a damaged
 * one. UNSUPPORTED: of a kind that is not known here. SYS: reading failed. NOMEM. */
STATUS_CHECKED enum status profile_read(struct profile_input *input, struct names *names,
                                        const struct profile_taker *taker,
                                        struct profile_facts *facts, struct error *error);

/* The same for one format, the first byte still unread. */
STATUS_CHECKED enum status profile_text_read(struct profile_input *input, struct names *names,
                                             const struct profile_taker *taker,
                                             struct profile_facts *facts, struct error *error);
STATUS_CHECKED enum status profile_mojo_read(struct profile_input *input, struct names *names,
                                             const struct profile_taker *taker,
                                             struct profile_facts *facts, struct error *error);

#endif
