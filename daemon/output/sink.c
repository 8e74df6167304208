#include "daemon/output/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CAPACITY_FIRST = 2 * SINK_FLUSH_AT };

enum status sink_init(struct sink *sink, int fd) {
    char *data = malloc(CAPACITY_FIRST);
    uint32_t *marks = malloc(SINK_MARKS_MAX * sizeof *marks);
    if (data == NULL || marks == NULL) {
        free(data);
        free(marks);
        return STATUS_NOMEM;
    }
    *sink = (struct sink){.fd = fd, .data = data, .capacity = CAPACITY_FIRST, .marks = marks};
    return STATUS_OK;
}

void sink_deinit(struct sink *sink) {
    if (sink->fd >= 0) {
        (void)close(sink->fd);
    }
    free(sink->data);
    free(sink->marks);
    *sink = (struct sink){.fd = -1, .status = STATUS_GONE};
}

/* The end of the last record within the first `written` bytes of the buffer, 0 if there is none. */
static size_t last_record_end(const struct sink *sink, size_t written) {
    uint32_t low = 0;
    uint32_t high = sink->mark_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sink->marks[middle] <= written) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? 0 : sink->marks[low - 1];
}

/* Takes the last `count` bytes that we wrote off a regular file, if they are still its last. */
static void cut_back(int fd, uint64_t count) {
    struct stat info;
    off_t end = lseek(fd, 0, SEEK_CUR);
    if (count == 0 || end < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
        info.st_size != end || (uint64_t)end < count) {
        return;
    }
    if (ftruncate(fd, end - (off_t)count) == 0) {
        (void)lseek(fd, end - (off_t)count, SEEK_SET);
    }
}

static void fail(struct sink *sink, int errnum, size_t written) {
    size_t whole = last_record_end(sink, written);
    cut_back(sink->fd, whole > 0 ? written - whole : written + sink->partial);
    sink->status = errnum == EPIPE || errnum == ECONNRESET ? STATUS_GONE : STATUS_SYS;
    sink->error_number = errnum;
    sink->size = 0;
    sink->mark_count = 0;
}

/* Writes the first `count` bytes of the buffer and keeps the rest. */
static void write_out(struct sink *sink, size_t count) {
    size_t written = 0;
    while (written < count) {
        ssize_t now = write(sink->fd, sink->data + written, count - written);
        if (now > 0) {
            written += (size_t)now;
        } else if (now < 0 && errno == EAGAIN) {
            /* A pipe or terminal that someone made non-blocking for all who share it. */
            (void)poll(&(struct pollfd){.fd = sink->fd, .events = POLLOUT}, 1, -1);
        } else if (now == 0 || errno != EINTR) {
            fail(sink, now == 0 ? EIO : errno, written);
            return;
        }
    }
    size_t whole = last_record_end(sink, written);
    sink->partial = whole > 0 ? written - whole : sink->partial + written;
    sink->mark_count = 0; /* only ever called with all marks within `count` */
    sink->size -= count;
    memmove(sink->data, sink->data + count, sink->size);
}

static void write_whole_records(struct sink *sink) {
    if (sink->status == STATUS_OK && sink->mark_count > 0) {
        write_out(sink, sink->marks[sink->mark_count - 1]);
    }
}

void sink_make_room(struct sink *sink, size_t count) {
    write_whole_records(sink);
    if (sink->status != STATUS_OK || sink->capacity - sink->size >= count) {
        return;
    }
    if (sink->size + count > SINK_RECORD_MAX) {
        write_out(sink, sink->size);
        if (sink->status != STATUS_OK || sink->capacity >= count) {
            return;
        }
    }
    size_t capacity = sink->capacity;
    while (capacity - sink->size < count) {
        capacity *= 2;
    }
    char *data = realloc(sink->data, capacity);
    if (data == NULL) {
        sink->status = STATUS_NOMEM;
        return;
    }
    sink->data = data;
    sink->capacity = capacity;
}

void sink_end_record(struct sink *sink) {
    if (sink->status != STATUS_OK) {
        return;
    }
    sink->marks[sink->mark_count++] = (uint32_t)sink->size;
    if (sink->size >= SINK_FLUSH_AT || sink->mark_count == SINK_MARKS_MAX) {
        write_whole_records(sink);
    }
}

static enum status tell(const struct sink *sink, struct error *error) {
    switch (sink->status) {
    case STATUS_OK:
        return STATUS_OK;
    case STATUS_GONE:
        return error_set(error, STATUS_GONE, "nobody reads the profile any more");
    case STATUS_NOMEM:
        return error_set(error, STATUS_NOMEM, "out of memory while writing the profile");
    default: {
        char reason[128];
        const char *text = strerror_r(sink->error_number, reason, sizeof reason);
        const char *remedy = "";
        if (sink->error_number == ENOSPC || sink->error_number == EDQUOT) {
            remedy = "; what was written before is whole: free some space or choose another place";
        } else if (sink->error_number == EFBIG) {
            remedy =
                "; what was written before is whole: raise the limit on file sizes (ulimit -f)";
        }
        return error_set(error, STATUS_SYS, "cannot write the profile: %s%s", text, remedy);
    }
    }
}

enum status sink_flush(struct sink *sink, struct error *error) {
    write_whole_records(sink);
    return tell(sink, error);
}

enum status sink_finish(struct sink *sink, struct error *error) {
    write_whole_records(sink);
    if (sink->fd >= 0) {
        int fd = sink->fd;
        sink->fd = -1;
        /* EINTR leaves it closed on Linux, so it is not tried again. */
        if (close(fd) != 0 && errno != EINTR && sink->status == STATUS_OK) {
            sink->status = STATUS_SYS;
            sink->error_number = errno;
        }
    }
    enum status status = tell(sink, error);
    if (sink->status == STATUS_OK) {
        sink->status = STATUS_GONE; /* there is nothing to write to any more */
    }
    return status;
}
