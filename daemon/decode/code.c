#include "daemon/decode/code.h"

#include <stdlib.h>

void code_locate(const struct code *code, uint32_t unit, struct location *out) {
    line_table_locate(code->line_format, code->line_table, code->line_table_size, code->first_line,
                      unit * 2, out);
}

uint64_t code_bytes(const struct code *code) {
    return code == NULL ? 0 : code->bytes;
}

void code_destroy(struct code *code) {
    free(code);
}
