#include "daemon/service/recorder.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/service/clock.h"

/* The format's version that readers ask for; we name ourselves beside it. */
#define AUSTIN_VERSION "3.7.0"

enum {
    NOTES_MAX = 8,
    NOTE_SIZE = 128,
    READER_LOOK_NS = 100 * 1000 * 1000, /* how often the other end of a pipe is looked at */
};

/* What is known of the output's other end. */
enum reader { READER_UNKNOWN, READER_NONE, READER_WATCHED };

struct note {
    const char *key;
    char value[NOTE_SIZE];
};

struct recorder {
    struct recorder_plan plan;
    pthread_t thread;
    struct writer *writer; /* NULL until there is something to write */
    enum status status;    /* the writing thread's, until it has been joined; so is the error */
    struct error error;
    enum reader reader;
    int reader_fd; /* the output's or the writer's */
    atomic_bool failed;
    atomic_bool done;

    pthread_mutex_t lock; /* of the notes */
    struct note notes[NOTES_MAX];
    unsigned note_count;
};

static void ring(const struct recorder *recorder) {
    uint64_t one = 1;
    (void)!write(recorder->plan.bell, &one, sizeof one);
}

void recorder_note(struct recorder *recorder, const char *key, const char *value) {
    (void)pthread_mutex_lock(&recorder->lock);
    if (recorder->note_count < NOTES_MAX) {
        struct note *note = &recorder->notes[recorder->note_count++];
        note->key = key;
        (void)snprintf(note->value, sizeof note->value, "%s", value);
    }
    (void)pthread_mutex_unlock(&recorder->lock);
}

static enum status write_notes(struct recorder *recorder, struct error *error) {
    struct note notes[NOTES_MAX];
    (void)pthread_mutex_lock(&recorder->lock);
    unsigned count = recorder->note_count;
    memcpy(notes, recorder->notes, count * sizeof notes[0]);
    recorder->note_count = 0;
    (void)pthread_mutex_unlock(&recorder->lock);
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        status = writer_metadata(recorder->writer, notes[i].key, notes[i].value, error);
    }
    return status;
}

static enum status write_header(struct recorder *recorder, struct error *error) {
    const struct options *options = recorder->plan.options;
    struct writer *writer = recorder->writer;
    enum status status = writer_metadata(writer, "austin", AUSTIN_VERSION, error);
    if (status == STATUS_OK) {
        status = writer_metadata(writer, "echion", ECHION_VERSION, error);
    }
    if (status == STATUS_OK) {
        status = writer_metadata_number(writer, "interval",
                                        (int64_t)(options->interval_ns / CLOCK_NS_PER_US), error);
    }
    if (status == STATUS_OK) {
        status = writer_metadata(writer, "mode", options->cpu ? "cpu" : "wall", error);
    }
    if (status == STATUS_OK && *recorder->plan.gap_from_ns != 0) {
        struct sampler_counts counts;
        recorder->plan.totals(recorder->plan.owner, &counts);
        status = writer_metadata_number(
            writer, "gap",
            (int64_t)((counts.start_ns - *recorder->plan.gap_from_ns) / CLOCK_NS_PER_US), error);
    }
    return status;
}

static enum status write_footer(struct recorder *recorder, const struct sampler_counts *counts,
                                struct error *error) {
    const struct {
        const char *key;
        uint64_t value;
        bool cpu_only;
    } lines[] = {
        {"duration", (counts->end_ns - counts->start_ns) / CLOCK_NS_PER_US, false},
        {"samples", counts->kept + counts->torn, false},
        {"kept", counts->kept, false},
        {"missed", counts->missed, false},
        {"late", counts->late, false},
        {"torn", counts->torn, false},
        {"errors", counts->errors, false},
        {"cpu_native", counts->cpu_native_us, true},
        {"cpu_unseen", counts->cpu_unseen_us, true},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (lines[i].cpu_only && !recorder->plan.options->cpu) {
            continue;
        }
        enum status status =
            writer_metadata_number(recorder->writer, lines[i].key, (int64_t)lines[i].value, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return writer_finish(recorder->writer, error);
}

static void find_reader(struct recorder *recorder) {
    struct stat output;
    /* Taking it moves the descriptor to the writer; its number stays. */
    recorder->reader_fd = output_file_descriptor(*recorder->plan.output);
    bool has_end = fstat(recorder->reader_fd, &output) == 0 &&
                   (S_ISFIFO(output.st_mode) || S_ISSOCK(output.st_mode));
    recorder->reader = has_end ? READER_WATCHED : READER_NONE;
}

/* Takes the output and begins it. */
static enum status begin(struct recorder *recorder, struct error *error) {
    GUARD_FD int fd = -1;
    if (recorder->reader == READER_UNKNOWN) {
        find_reader(recorder);
    }
    enum status status = output_file_take(*recorder->plan.output, &fd, error);
    if (status == STATUS_OK) {
        status =
            writer_create(output_file_format(*recorder->plan.output), fd, &recorder->writer, error);
    }
    if (status == STATUS_OK) {
        (void)guard_fd_take(&fd);
        status = write_header(recorder, error);
    }
    return status;
}

static enum status record(struct recorder *recorder, const struct batch *batch,
                          struct error *error) {
    enum status status = STATUS_OK;
    if (recorder->writer == NULL) {
        status = begin(recorder, error);
    }
    if (status == STATUS_OK) {
        status = write_notes(recorder, error);
    }
    if (status == STATUS_OK) {
        status = writer_batch(recorder->writer, batch, error);
    }
    return status == STATUS_OK ? writer_flush(recorder->writer, error) : status;
}

/* The footer; behind a header if there were ticks, but no thread that had anything to show. */
static enum status end(struct recorder *recorder, struct error *error) {
    struct sampler_counts counts;
    enum status status = STATUS_OK;
    recorder->plan.totals(recorder->plan.owner, &counts);
    if (recorder->writer == NULL) {
        if (counts.start_ns == 0) {
            return STATUS_ABSENT;
        }
        status = begin(recorder, error);
        if (status == STATUS_OK) {
            status = write_notes(recorder, error);
        }
    }
    return status == STATUS_OK ? write_footer(recorder, &counts, error) : status;
}

static void fail(struct recorder *recorder, enum status status) {
    recorder->status = status;
    atomic_store(&recorder->failed, true);
    ring(recorder);
}

static void take_batch(struct recorder *recorder, const struct batch *batch) {
    bool empty = batch->sample_count == 0 && recorder->writer == NULL;
    if (!empty && recorder->status == STATUS_OK) {
        enum status status = record(recorder, batch, &recorder->error);
        if (status != STATUS_OK) {
            fail(recorder, status);
        }
    }
}

/* Writing tells that nobody reads any more; but there may be nothing to write. */
static void watch_reader(struct recorder *recorder) {
    if (recorder->reader == READER_UNKNOWN && atomic_load(recorder->plan.settled)) {
        find_reader(recorder);
    }
    if (recorder->reader != READER_WATCHED || recorder->status != STATUS_OK) {
        return;
    }
    struct pollfd end = {.fd = recorder->reader_fd};
    if (poll(&end, 1, 0) == 1 && (end.revents & (POLLERR | POLLHUP)) != 0) {
        fail(recorder,
             error_set(&recorder->error, STATUS_GONE, "nobody reads the profile any more"));
    }
}

static void *run(void *argument) {
    struct recorder *recorder = argument;
    struct handover *handover = recorder->plan.handover;
    while (!handover_is_finished(handover)) {
        watch_reader(recorder);
        struct batch *batch = handover_wait_full(
            handover, recorder->reader == READER_NONE ? HANDOVER_FOREVER : READER_LOOK_NS);
        if (batch != NULL) {
            take_batch(recorder, batch);
            handover_give_back(handover, batch);
        }
    }
    if (recorder->status == STATUS_OK) {
        recorder->status = end(recorder, &recorder->error);
    }
    writer_destroy(recorder->writer);
    recorder->writer = NULL;
    atomic_store(&recorder->done, true);
    ring(recorder);
    return NULL;
}

enum status recorder_start(const struct recorder_plan *plan, struct recorder **out,
                           struct error *error) {
    struct recorder *recorder = calloc(1, sizeof *recorder);
    if (recorder == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    recorder->plan = *plan;
    (void)pthread_mutex_init(&recorder->lock, NULL);
    int failed = pthread_create(&recorder->thread, NULL, run, recorder);
    if (failed != 0) {
        recorder_destroy(recorder);
        return error_set(error, STATUS_SYS, "cannot start a thread: %s", strerror(failed));
    }
    *out = recorder;
    return STATUS_OK;
}

bool recorder_is_done(const struct recorder *recorder) {
    return atomic_load(&recorder->done);
}

bool recorder_has_failed(const struct recorder *recorder) {
    return atomic_load(&recorder->failed);
}

enum status recorder_join(struct recorder *recorder, struct error *error) {
    (void)pthread_join(recorder->thread, NULL);
    if (recorder->status != STATUS_OK) {
        *error = recorder->error;
    }
    return recorder->status;
}

void recorder_destroy(struct recorder *recorder) {
    if (recorder != NULL) {
        (void)pthread_mutex_destroy(&recorder->lock);
        free(recorder);
    }
}
