/* line_table: where an instruction stands in the source, told by its code object's line table.
 * Pure.
 *
 * The bytes come from the target, so they may say anything: every answer is in range and found in
 * time linear in the table. Cold: asked once per code object and instruction. */
#ifndef ECHION_DAEMON_DECODE_LINE_TABLE_H
#define ECHION_DAEMON_DECODE_LINE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/python/layout.h"

/* A piece of source. Lines count from 1; line 0 is that of a module before its first line (PEP
 * 626). Columns count from 1 too, in bytes of the line's UTF-8, and column_end is the one behind
 * the last: one more than what co_positions() gives, so that 0 is free to say "unknown". */
struct location {
    int32_t line;
    int32_t line_end;   /* 0: unknown */
    int32_t column;     /* 0: unknown */
    int32_t column_end; /* 0: unknown */
};

/* Finds the instruction at `offset` bytes into the bytecode, inline caches included; `first_line`
 * is co_firstlineno. False if the table names no line for it (CPython's own tracebacks then show
 * None); its line is then that of the code before it in the table, as the compiler passes lines on
 * to instructions that have none, or else `first_line`. */
bool line_table_locate(enum line_format format, const uint8_t *table, size_t size,
                       int32_t first_line, uint32_t offset, struct location *out);

#endif
