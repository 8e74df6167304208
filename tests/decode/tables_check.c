/* tables_check: compares what the decoders say of code objects with what their interpreter said
 * (tables_dump.py), from standard input. Exit 1 on any difference. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/decode/code_units.h"
#include "daemon/decode/line_table.h"

enum { PART_MAX = 64 << 20, SHOWN_MAX = 20, UNTOLD = -2, ROW_NUMBERS = 5 };

struct part {
    uint8_t *bytes;
    uint32_t size;
};

struct sample {
    int32_t first_line;
    struct part line_table, plain, live;
    bool instrumented;
    int32_t (*rows)[ROW_NUMBERS]; /* one per code unit: distance, then the place */
};

struct tally {
    const struct opcode_table *opcodes;
    enum line_format format;
    uint64_t codes, units, without_line, instrumented, unsure, differences;
};

static void read_all(void *out, size_t size) {
    if (size > 0 && fread(out, size, 1, stdin) != 1) {
        fputs("tables_check: input ends early\n", stderr);
        exit(2);
    }
}

static void *allocate(size_t size) {
    void *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static struct part read_part(void) {
    struct part part;
    read_all(&part.size, sizeof part.size);
    if (part.size > PART_MAX) {
        fputs("tables_check: part too large\n", stderr);
        exit(2);
    }
    part.bytes = allocate(part.size);
    read_all(part.bytes, part.size);
    return part;
}

static bool read_sample(struct sample *sample) {
    uint32_t instrumented;
    if (fread(&sample->first_line, sizeof sample->first_line, 1, stdin) != 1) {
        return false;
    }
    sample->line_table = read_part();
    sample->plain = read_part();
    sample->live = read_part();
    read_all(&instrumented, sizeof instrumented);
    sample->instrumented = instrumented != 0;
    const size_t units = sample->plain.size / 2;
    sample->rows = allocate(units * sizeof *sample->rows);
    read_all(sample->rows, units * sizeof *sample->rows);
    return true;
}

static void free_sample(struct sample *sample) {
    free(sample->line_table.bytes);
    free(sample->plain.bytes);
    free(sample->live.bytes);
    free(sample->rows);
}

static void differ(struct tally *tally, size_t unit, const char *what, int64_t ours,
                   int64_t theirs) {
    if (tally->differences++ < SHOWN_MAX) {
        printf("3.%u code %" PRIu64 " unit %zu: %s is %" PRId64 ", should be %" PRId64 "\n",
               tally->opcodes->minor, tally->codes, unit, what, ours, theirs);
    }
}

static void check_number(struct tally *tally, size_t unit, const char *what, int32_t ours,
                         int32_t theirs) {
    if (theirs != UNTOLD && ours != theirs) {
        differ(tally, unit, what, ours, theirs);
    }
}

static void check_lines(struct tally *tally, const struct sample *sample) {
    for (size_t unit = 0; unit < sample->plain.size / 2; unit++) {
        const int32_t *row = sample->rows[unit];
        struct location place;
        const bool told =
            line_table_locate(tally->format, sample->line_table.bytes, sample->line_table.size,
                              sample->first_line, (uint32_t)unit * 2, &place);
        if (row[1] == -1) {
            tally->without_line++;
            if (told) {
                differ(tally, unit, "line", place.line, -1);
            }
            continue;
        }
        if (!told) {
            differ(tally, unit, "line", -1, row[1]);
        }
        check_number(tally, unit, "line", place.line, row[1]);
        check_number(tally, unit, "last line", place.line_end, row[2]);
        check_number(tally, unit, "column", place.column, row[3]);
        check_number(tally, unit, "column end", place.column_end, row[4]);
    }
}

static void check_units(struct tally *tally, const struct sample *sample) {
    const size_t units = sample->plain.size / 2;
    uint16_t *flags = allocate(units * sizeof *flags);
    if (!code_units_classify(tally->opcodes, sample->live.bytes, sample->live.size, flags)) {
        differ(tally, 0, "sound", 0, 1);
    }
    const struct opcode *plain = NULL;
    for (size_t unit = 0; unit < units; unit++) {
        const int32_t distance = sample->rows[unit][0];
        if (distance == 0) {
            plain = &tally->opcodes->ops[sample->plain.bytes[2 * unit]];
        }
        if (flags[unit] & OP_HIDDEN) {
            tally->unsure++;
            continue;
        }
        check_number(tally, unit, "distance", (int32_t)unit_distance(flags[unit]), distance);
        const uint16_t family =
            (uint16_t)((plain->flags & ~(unsigned)(OP_VERSIONED_CALL | OP_UNJUDGED_CALL)) |
                       (distance > 0 ? UNIT_CACHE : 0U));
        if ((flags[unit] & ((1 << UNIT_DISTANCE_SHIFT) - 1)) != family) {
            differ(tally, unit, plain->name, flags[unit], family);
        }
        if (!sample->instrumented && unit_distance(flags[unit]) == 0 &&
            tally->opcodes->ops[tally->opcodes->ops[sample->live.bytes[2 * unit]].base].name !=
                plain->name) {
            differ(tally, unit, plain->name, sample->live.bytes[2 * unit], -1);
        }
    }
    free(flags);
}

int main(void) {
    char magic[13];
    uint32_t minor;
    struct sample sample;
    struct tally tally = {.codes = 0};
    read_all(magic, sizeof magic);
    read_all(&minor, sizeof minor);
    tally.opcodes = opcode_table_find(minor);
    if (memcmp(magic, "echion tables", sizeof magic) != 0 || tally.opcodes == NULL) {
        fputs("tables_check: not the output of tables_dump.py\n", stderr);
        return 2;
    }
    tally.format = minor >= 11   ? LINE_FORMAT_PEP657
                   : minor == 10 ? LINE_FORMAT_PEP626
                                 : LINE_FORMAT_LNOTAB;
    while (read_sample(&sample)) {
        tally.codes++;
        tally.units += sample.plain.size / 2;
        tally.instrumented += sample.instrumented;
        if (!sample.instrumented) {
            check_lines(&tally, &sample);
        }
        check_units(&tally, &sample);
        free_sample(&sample);
    }
    printf("3.%" PRIu32 ": %" PRIu64 " code objects, %" PRIu64 " instrumented; %" PRIu64
           " code units, %" PRIu64 " without a line, %" PRIu64 " hidden; %" PRIu64 " differences\n",
           minor, tally.codes, tally.instrumented, tally.units, tally.without_line, tally.unsure,
           tally.differences);
    return tally.differences == 0 && tally.codes > 0 ? 0 : 1;
}
