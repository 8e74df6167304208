#include "daemon/python/py_reader.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum {
    SPANS_MAX = 512, /* below IOV_MAX, so that a batch is one system call where all can be read */
    BYTES_MAX = 256 * 1024,
    PAGE = 4096, /* memory is mapped and unmapped in no smaller pieces */
};

struct span {
    uint32_t at; /* its bytes in the buffer */
    uint32_t size;
    uint32_t read; /* the read that it is part of; SPANS_MAX: none, as it cannot exist */
};

struct py_reader {
    const struct memory *memory;
    const struct py_layout *layout;
    enum status failed;
    uint32_t work_left;
    uint32_t span_count, read_count;
    uint32_t used; /* bytes of the buffer */
    struct span spans[SPANS_MAX];
    struct iovec remote[SPANS_MAX]; /* the reads: each one span, or several in one page */
    uint32_t at[SPANS_MAX];         /* their bytes in the buffer */
    bool whole[SPANS_MAX];
    uint8_t bytes[BYTES_MAX];
};

enum status py_reader_create(struct py_reader **out) {
    struct py_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return STATUS_NOMEM;
    }
    reader->failed = STATUS_NOMEM;
    *out = reader;
    return STATUS_OK;
}

void py_reader_destroy(struct py_reader *reader) {
    free(reader);
}

void py_reader_start(struct py_reader *reader, const struct memory *memory,
                     const struct py_layout *layout, uint32_t work) {
    reader->memory = memory;
    reader->layout = layout;
    reader->failed = STATUS_OK;
    reader->work_left = work;
    py_reader_begin(reader);
}

const struct py_layout *py_reader_layout(const struct py_reader *reader) {
    return reader->layout;
}

enum status py_reader_failed(const struct py_reader *reader) {
    return reader->failed;
}

enum status py_reader_torn(const struct py_reader *reader) {
    return reader->failed == STATUS_OK ? STATUS_TORN : reader->failed;
}

void py_reader_begin(struct py_reader *reader) {
    reader->span_count = 0;
    reader->read_count = 0;
    reader->used = 0;
}

/* Whether the span lies in the target's address space, which the null page is no part of. */
static bool span_is_possible(const struct py_reader *reader, struct raddr address, uint32_t size) {
    uint64_t last = reader->layout->word_size == 4 ? UINT32_MAX : INT64_MAX;
    return address.v >= 4096 && size > 0 && address.v <= last && size - 1 <= last - address.v;
}

/* Bytes by which the last read grows if it takes this span in, which costs the kernel less than a
 * read of its own: only within one page, where all can be read or nothing. UINT32_MAX: not so. */
static uint32_t read_growth(const struct py_reader *reader, struct raddr address, uint32_t size) {
    if (reader->read_count == 0) {
        return UINT32_MAX;
    }
    const struct iovec *last = &reader->remote[reader->read_count - 1];
    uint64_t begin = (uintptr_t)last->iov_base, end = begin + last->iov_len;
    uint64_t page_end = (begin / PAGE + 1) * PAGE;
    if (address.v < begin || end > page_end || address.v + size > page_end) {
        return UINT32_MAX;
    }
    return address.v + size > end ? (uint32_t)(address.v + size - end) : 0;
}

uint32_t py_reader_add(struct py_reader *reader, struct raddr address, uint32_t size) {
    if (reader->span_count == SPANS_MAX) {
        return PY_READER_FULL;
    }
    struct span span = {.size = size, .read = SPANS_MAX};
    if (span_is_possible(reader, address, size)) {
        uint32_t growth = read_growth(reader, address, size);
        bool joins = growth != UINT32_MAX;
        growth = joins ? growth : size;
        if (growth > BYTES_MAX - reader->used) {
            return PY_READER_FULL;
        }
        if (!joins) {
            reader->at[reader->read_count] = reader->used;
            reader->remote[reader->read_count++] =
                (struct iovec){.iov_base = (void *)(uintptr_t)address.v};
        }
        span.read = reader->read_count - 1;
        reader->remote[span.read].iov_len += growth;
        reader->used += growth;
        span.at = reader->at[span.read] +
                  (uint32_t)(address.v - (uintptr_t)reader->remote[span.read].iov_base);
    }
    reader->spans[reader->span_count] = span;
    return reader->span_count++;
}

void py_reader_take(struct py_reader *reader) {
    memset(reader->whole, 0, sizeof reader->whole);
    uint32_t first = 0;
    while (first < reader->read_count && reader->failed == STATUS_OK) {
        uint32_t begun = first;
        size_t got = 0;
        enum status status =
            memory_read_batch(reader->memory, reader->bytes + reader->at[first],
                              reader->remote + first, reader->read_count - first, &got);
        if (status == STATUS_TORN) {
            got = 0;
        } else if (status != STATUS_OK) {
            reader->failed = status;
            return;
        }
        for (; first < reader->read_count && got >= reader->remote[first].iov_len; first++) {
            reader->whole[first] = true;
            got -= reader->remote[first].iov_len;
        }
        first++; /* what cannot be read ends the call: step over it */
        uint32_t work = 1 + first - begun;
        if (work > reader->work_left) {
            reader->failed = STATUS_NOMEM;
            return;
        }
        reader->work_left -= work;
    }
}

const uint8_t *py_reader_bytes(const struct py_reader *reader, uint32_t index) {
    if (index >= reader->span_count || reader->spans[index].read == SPANS_MAX ||
        !reader->whole[reader->spans[index].read]) {
        return NULL;
    }
    return reader->bytes + reader->spans[index].at;
}

const uint8_t *py_reader_read(struct py_reader *reader, struct raddr address, uint32_t size) {
    py_reader_begin(reader);
    uint32_t index = py_reader_add(reader, address, size);
    py_reader_take(reader);
    return py_reader_bytes(reader, index);
}

uint64_t py_reader_word(const struct py_reader *reader, const uint8_t *bytes) {
    uint64_t word = 0;
    memcpy(&word, bytes, reader->layout->word_size == 4 ? 4 : 8);
    return word;
}

struct raddr py_reader_address(const struct py_reader *reader, const uint8_t *bytes) {
    return raddr_make(py_reader_word(reader, bytes));
}
