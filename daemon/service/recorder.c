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

struct recorder_source {
    struct recorder_feed feed;
    struct recorder_source *next;
    atomic_bool written;
};

struct recorder {
    struct recorder_plan plan;
    pthread_t thread;
    struct bell bell;
    bool merges;
    struct writer *writer; /* NULL until there is something to write */
    enum status status;    /* the writing thread's, until it has been joined; so is the error */
    struct error error;
    enum reader reader;
    int reader_fd;                /* the output's or the writer's */
    struct sampler_counts counts; /* of the sources that are written */
    atomic_bool failed;
    atomic_bool done;
    atomic_bool sealed;
    struct recorder_source *_Atomic sources; /* the last one that was added, and so on */

    pthread_mutex_t lock; /* of the notes, and of adding */
    struct note notes[NOTES_MAX];
    unsigned note_count;
    struct note last; /* that was noted: sessions that share the file say the same */
};

static void ring(const struct recorder *recorder) {
    uint64_t one = 1;
    (void)!write(recorder->plan.bell, &one, sizeof one);
}

void recorder_note(struct recorder *recorder, const char *key, const char *value) {
    (void)pthread_mutex_lock(&recorder->lock);
    struct note *last = &recorder->last;
    bool known =
        last->key != NULL && strcmp(last->key, key) == 0 && strcmp(last->value, value) == 0;
    if (!known && recorder->note_count < NOTES_MAX) {
        last->key = key;
        (void)snprintf(last->value, sizeof last->value, "%s", value);
        recorder->notes[recorder->note_count++] = *last;
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

static enum status write_header(struct recorder *recorder, const struct recorder_feed *feed,
                                struct error *error) {
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
    if (status == STATUS_OK && recorder->plan.several) {
        status = writer_metadata(writer, "multiprocess", "on", error);
    }
    if (status == STATUS_OK && *feed->gap_from_ns != 0) {
        struct sampler_counts counts;
        feed->totals(feed->owner, &counts);
        status = writer_metadata_number(
            writer, "gap", (int64_t)((counts.start_ns - *feed->gap_from_ns) / CLOCK_NS_PER_US),
            error);
    }
    return status;
}

static enum status write_footer(struct recorder *recorder, struct error *error) {
    const struct sampler_counts *counts = &recorder->counts;
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
static enum status begin(struct recorder *recorder, const struct recorder_feed *feed,
                         struct error *error) {
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
        status = write_header(recorder, feed, error);
    }
    return status;
}

static enum status record(struct recorder *recorder, const struct recorder_feed *feed,
                          const struct batch *batch, struct error *error) {
    enum status status = STATUS_OK;
    if (recorder->writer == NULL) {
        status = begin(recorder, feed, error);
    }
    if (status == STATUS_OK) {
        status = write_notes(recorder, error);
    }
    if (status == STATUS_OK && batch != NULL) {
        status = writer_batch(recorder->writer, batch, error);
    }
    return status == STATUS_OK ? writer_flush(recorder->writer, error) : status;
}

static enum status end(struct recorder *recorder, struct error *error) {
    return recorder->writer == NULL ? STATUS_ABSENT : write_footer(recorder, error);
}

static void fail(struct recorder *recorder, enum status status) {
    recorder->status = status;
    atomic_store(&recorder->failed, true);
    ring(recorder);
}

/* `batch` NULL: only a header, if there is none. */
static void take_batch(struct recorder *recorder, const struct recorder_feed *feed,
                       const struct batch *batch) {
    if (recorder->status == STATUS_OK) {
        enum status status = record(recorder, feed, batch, &recorder->error);
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

/* Ticks of which no thread had anything to show make a header too. */
static void end_source(struct recorder *recorder, struct recorder_source *source) {
    struct sampler_counts counts;
    source->feed.totals(source->feed.owner, &counts);
    sampler_counts_add(&recorder->counts, &counts);
    if (recorder->writer == NULL && counts.start_ns != 0) {
        take_batch(recorder, &source->feed, NULL);
    }
    atomic_store(&source->written, true);
    ring(recorder);
}

/* Writes what a source has given; whether there was anything. */
static bool serve(struct recorder *recorder, struct recorder_source *source) {
    struct handover *handover = source->feed.handover;
    struct batch *batch = handover_wait_full(handover, 0);
    if (batch != NULL) {
        if (batch->sample_count > 0 || recorder->writer != NULL) {
            take_batch(recorder, &source->feed, batch);
        }
        handover_give_back(handover, batch);
    }
    if (handover_is_finished(handover)) {
        end_source(recorder, source);
        return true;
    }
    return batch != NULL;
}

enum work { WORK_NONE, WORK_DONE, WORK_OVER };

/* Once round all sources. */
static enum work serve_all(struct recorder *recorder) {
    bool over = atomic_load(&recorder->sealed); /* read first: a sealed list does not grow */
    bool any = false;
    for (struct recorder_source *at = atomic_load(&recorder->sources); at != NULL; at = at->next) {
        if (!atomic_load(&at->written)) {
            any |= serve(recorder, at);
            over &= atomic_load(&at->written);
        }
    }
    return over ? WORK_OVER : any ? WORK_DONE : WORK_NONE;
}

static void *run(void *argument) {
    struct recorder *recorder = argument;
    for (;;) {
        watch_reader(recorder);
        uint32_t heard = bell_heard(&recorder->bell);
        enum work work = serve_all(recorder);
        if (work == WORK_OVER) {
            break;
        }
        if (work == WORK_NONE) {
            bell_wait(&recorder->bell, heard,
                      recorder->reader == READER_NONE ? BELL_FOREVER : READER_LOOK_NS);
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

bool recorder_merges(const struct recorder *recorder) {
    return recorder->merges;
}

struct bell *recorder_bell(struct recorder *recorder) {
    return &recorder->bell;
}

struct recorder_source *recorder_add(struct recorder *recorder, const struct recorder_feed *feed) {
    struct recorder_source *source = calloc(1, sizeof *source);
    if (source != NULL) {
        source->feed = *feed;
        (void)pthread_mutex_lock(&recorder->lock);
        source->next = atomic_load(&recorder->sources);
        atomic_store(&recorder->sources, source);
        (void)pthread_mutex_unlock(&recorder->lock);
        bell_ring(&recorder->bell);
    }
    return source;
}

bool recorder_has_written(const struct recorder_source *source) {
    return atomic_load(&source->written);
}

void recorder_seal(struct recorder *recorder) {
    atomic_store(&recorder->sealed, true);
    bell_ring(&recorder->bell);
}

enum status recorder_start(const struct recorder_plan *plan, struct recorder **out,
                           struct error *error) {
    struct recorder *recorder = calloc(1, sizeof *recorder);
    if (recorder == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    recorder->plan = *plan;
    recorder->merges = output_formats[output_file_format(*plan->output)].merge;
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
        while (recorder->sources != NULL) {
            struct recorder_source *source = recorder->sources;
            recorder->sources = source->next;
            free(source);
        }
        (void)pthread_mutex_destroy(&recorder->lock);
        free(recorder);
    }
}
