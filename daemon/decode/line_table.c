#include "daemon/decode/line_table.h"

#include "common/cursor.h"

/* What a location can hold. Sums in 64 bits cannot overflow: a byte of table adds less than 2^32.
 */
static int32_t clamp(int64_t number) {
    if (number < 0) {
        return 0;
    }
    return number > INT32_MAX ? INT32_MAX : (int32_t)number;
}

/* co_lnotab, to 3.9: pairs of a byte delta and a signed line delta; a pair whose byte delta leads
 * beyond `offset` is about code behind it (Objects/codeobject.c PyCode_Addr2Line,
 * Objects/lnotab_notes.txt). */
static bool locate_lnotab(struct cursor table, int32_t first_line, uint32_t offset,
                          struct location *out) {
    int64_t line = first_line;
    uint64_t start = 0;
    while (cursor_left(&table) >= 2) {
        start += cursor_u8(&table);
        const int8_t line_delta = (int8_t)cursor_u8(&table);
        if (start > offset) {
            break;
        }
        line += line_delta;
    }
    out->line = clamp(line);
    return true;
}

/* co_linetable, 3.10: pairs of a length in bytes and a signed line delta, where -128 says that
 * these bytes have no line (Objects/lnotab_notes.txt, 3.10). */
static bool locate_pep626(struct cursor table, int32_t first_line, uint32_t offset,
                          struct location *out) {
    enum { NO_LINE = -128 };
    int64_t line = first_line;
    int64_t told = first_line;
    uint64_t end = 0;
    bool has_line = false;
    while (cursor_left(&table) >= 2) {
        end += cursor_u8(&table);
        const int8_t line_delta = (int8_t)cursor_u8(&table);
        has_line = line_delta != NO_LINE;
        if (has_line) {
            line += line_delta;
        }
        if (end > offset) {
            break;
        }
        if (has_line) {
            told = line;
        }
        has_line = false;
    }
    out->line = clamp(has_line ? line : told);
    return has_line;
}

/* Kinds of entry in co_linetable from 3.11 on (PEP 657; Objects/locations.md, 3.11 to 3.15). 0 to
 * 9: on the line before, columns in one byte. */
enum {
    KIND_ONE_LINE_FIRST = 10, /* the line delta is kind - 10; a byte for each column */
    KIND_ONE_LINE_LAST = 12,
    KIND_NO_COLUMNS = 13, /* a line delta */
    KIND_LONG = 14,       /* a line delta, lines to the end, columns plus one */
    KIND_NONE = 15,       /* no line */
};

enum { ENTRY_START = 0x80, VARINT_MORE = 0x40, VARINT_BITS = 6 };

static bool entry_continues(const struct cursor *table) {
    return !cursor_at_end(table) && (table->data[table->at] & ENTRY_START) == 0;
}

/* Six bits a byte, least significant first, 32 in all. Ends with its entry, whatever it says
 * itself. */
static uint32_t read_varint(struct cursor *table) {
    uint32_t value = 0;
    unsigned shift = 0;
    while (entry_continues(table)) {
        const uint8_t byte = cursor_u8(table);
        if (shift < 32) {
            value |= (uint32_t)(byte & (VARINT_MORE - 1)) << shift;
            shift += VARINT_BITS;
        }
        if ((byte & VARINT_MORE) == 0) {
            break;
        }
    }
    return value;
}

/* The sign is the lowest bit. */
static int64_t read_signed_varint(struct cursor *table) {
    const uint32_t value = read_varint(table);
    const int64_t magnitude = value >> 1;
    return (value & 1) != 0 ? -magnitude : magnitude;
}

static uint8_t read_column(struct cursor *table) {
    return entry_continues(table) ? cursor_u8(table) : 0;
}

/* Reads what follows an entry's first byte. `line` is that of the entry before, and is moved on. */
static void read_entry(struct cursor *table, unsigned kind, int64_t *line, struct location *out) {
    *out = (struct location){.line = 0};
    int64_t lines_more = 0;
    if (kind < KIND_ONE_LINE_FIRST) {
        const uint8_t columns = read_column(table);
        out->column = (int32_t)(kind << 3 | columns >> 4) + 1;
        out->column_end = out->column + (columns & 15);
    } else if (kind <= KIND_ONE_LINE_LAST) {
        *line += kind - KIND_ONE_LINE_FIRST;
        out->column = read_column(table) + 1;
        out->column_end = read_column(table) + 1;
    } else if (kind == KIND_NO_COLUMNS) {
        *line += read_signed_varint(table);
    } else if (kind == KIND_LONG) {
        *line += read_signed_varint(table);
        lines_more = read_varint(table);
        out->column = clamp(read_varint(table));
        out->column_end = clamp(read_varint(table));
    }
    out->line = clamp(*line);
    out->line_end = clamp(*line + lines_more);
}

static bool locate_pep657(struct cursor table, int32_t first_line, uint32_t offset,
                          struct location *out) {
    int64_t line = first_line;
    uint64_t end = 0;
    bool has_line = false;
    int32_t told = clamp(first_line);
    while (!has_line && !cursor_at_end(&table)) {
        const uint8_t first = cursor_u8(&table);
        const unsigned kind = first >> 3 & 15;
        struct location here;
        read_entry(&table, kind, &line, &here);
        while (entry_continues(&table)) {
            (void)cursor_u8(&table);
        }
        end += (size_t)2 * ((first & 7U) + 1);
        if (end > offset) {
            if (kind == KIND_NONE) {
                break;
            }
            *out = here;
            has_line = true;
        } else if (kind != KIND_NONE) {
            told = here.line;
        }
    }
    if (!has_line) {
        *out = (struct location){.line = told};
    }
    return has_line;
}

bool line_table_locate(enum line_format format, const uint8_t *table, size_t size,
                       int32_t first_line, uint32_t offset, struct location *out) {
    const struct cursor cursor = cursor_make(table, size);
    *out = (struct location){.line = clamp(first_line)};
    switch (format) {
    case LINE_FORMAT_LNOTAB:
        return locate_lnotab(cursor, first_line, offset, out);
    case LINE_FORMAT_PEP626:
        return locate_pep626(cursor, first_line, offset, out);
    case LINE_FORMAT_PEP657:
        return locate_pep657(cursor, first_line, offset, out);
    }
    return false;
}
