/* py_reader: reads a target's objects in batches and within a budget, for the cold work on Python
 * objects (dicts, thread names). Owns a fixed buffer; one thread at a time. Cold.
 *
 * A batch is a list of spans that are read together: py_reader_begin, py_reader_add for each,
 * py_reader_take, then py_reader_bytes. The kernel copies them in their order. Whatever cannot be
 * read (any more) yields NULL and says nothing about the rest. When the process itself is out of
 * reach or the budget is used up, `failed` is set and everything yields NULL from then on: check it
 * once at the end. */
#ifndef ECHION_DAEMON_PYTHON_PY_READER_H
#define ECHION_DAEMON_PYTHON_PY_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/python/layout.h"
#include "daemon/target/memory.h"

/* Answer of py_reader_add when the batch has no room left. */
#define PY_READER_FULL UINT32_MAX

struct py_reader;

/* NOMEM if the buffer cannot be had. */
STATUS_CHECKED enum status py_reader_create(struct py_reader **out);
void py_reader_destroy(struct py_reader *reader);

/* Begins a piece of work on one target: a fresh budget of `calls` system calls, no failure. The
 * memory and the layout are borrowed until the next start. */
void py_reader_start(struct py_reader *reader, const struct memory *memory,
                     const struct py_layout *layout, uint32_t work);
const struct py_layout *py_reader_layout(const struct py_reader *reader);

/* OK, or why nothing can be read any more: GONE, DENIED, SYS; NOMEM when the budget is used up. */
enum status py_reader_failed(const struct py_reader *reader);

/* What a NULL means to the caller: the failure if there is one, else TORN. Never OK. */
enum status py_reader_torn(const struct py_reader *reader);

/* Forgets the spans; bytes of earlier batches are no longer valid. */
void py_reader_begin(struct py_reader *reader);

/* Adds a span; its index, or PY_READER_FULL. A span that no address space can hold is accepted and
 * yields NULL. */
uint32_t py_reader_add(struct py_reader *reader, struct raddr address, uint32_t size);

/* Reads the batch. */
void py_reader_take(struct py_reader *reader);

/* The bytes of span `index`, NULL unless all of them were read. PY_READER_FULL yields NULL. Valid
 * until the next py_reader_begin or py_reader_read. */
const uint8_t *py_reader_bytes(const struct py_reader *reader, uint32_t index);

/* A batch of one span. */
const uint8_t *py_reader_read(struct py_reader *reader, struct raddr address, uint32_t size);

/* A word of the target (4 or 8 bytes, little-endian), unsigned, and as an address. */
uint64_t py_reader_word(const struct py_reader *reader, const uint8_t *bytes);
struct raddr py_reader_address(const struct py_reader *reader, const uint8_t *bytes);

#endif
