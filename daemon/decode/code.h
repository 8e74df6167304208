/* code: what is known of one code object of the target: its names, its line table, and the class of
 * each of its code units.
 *
 * Made and freed by the code cache (code_cache.h), off the hot path; immutable in between, so that
 * the sampler and the writing thread may read it at once. It outlives every batch that refers to
 * it. */
#ifndef ECHION_DAEMON_DECODE_CODE_H
#define ECHION_DAEMON_DECODE_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/raddr.h"
#include "daemon/decode/line_table.h"
#include "daemon/python/layout.h"

/* Bytes from a code object's start to the end of its code units, at most; also the largest line
 * table that is read. The compiler itself stays far below. */
enum { CODE_BYTES_MAX = 16 << 20 };

/* Fields whose values tell one code object from another that was made at the same address later.
 * All of them stay the same during a code object's life. */
struct code_identity {
    uint64_t name, filename, line_table, version;
    int32_t first_line;
    uint32_t units;
};

struct code {
    uint64_t serial; /* unique among all caches, never used again */
    uint64_t bytes;  /* that it takes, all it points to included */
    struct raddr address;
    struct code_identity identity;
    const char *file;     /* co_filename: UTF-8, cleaned for output, never NULL */
    const char *function; /* co_qualname, co_name to 3.10: the same; "" for nothing */
    bool hidden;          /* an interpreter's own trampoline: not shown in any profile */

    uint32_t flags;        /* co_flags */
    uint32_t frame_words;  /* from 3.11 on: words of its frame in the datastack */
    uint32_t nlocalsplus;  /* from 3.11 on; words from localsplus to the value stack */
    uint32_t bytecode_at;  /* from 3.11 on: bytes from the code object to its first unit */
    uint32_t generator_at; /* unit of RETURN_GENERATOR: a frame in the datastack is dead behind it;
                              UINT32_MAX if there is none */
    uint32_t units;        /* code units of two bytes, inline caches included */
    const uint16_t *unit_flags; /* class of the instruction that each unit belongs to (opcodes.h) */

    enum line_format line_format;
    int32_t first_line;
    const uint8_t *line_table;
    uint32_t line_table_size;
};

/* Where unit `unit` is in the source. Columns and end line are 0 where unknown. Never fails: what
 * the table does not tell is given as the code's first line. Not hot: decoding is linear in the
 * table. */
void code_locate(const struct code *code, uint32_t unit, struct location *out);

/* Bytes that a code and what it owns take. 0 for NULL. */
uint64_t code_bytes(const struct code *code);

/* Frees a code and all it owns; NULL is accepted. */
void code_destroy(struct code *code);

#endif
