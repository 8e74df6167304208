/* code_build: makes a `struct code` from the bytes of a code object and of what it refers to. Pure,
 * but for the memory that it allocates. Cold. */
#ifndef ECHION_DAEMON_DECODE_CODE_BUILD_H
#define ECHION_DAEMON_DECODE_CODE_BUILD_H

#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/code.h"
#include "daemon/decode/opcodes.h"
#include "daemon/python/layout.h"
#include "daemon/python/string_object.h"

/* The raw parts of one code object, all copied from the target; nothing is owned. */
struct code_source {
    uint64_t address;
    const uint8_t *header; /* the fields that the layout's `code` names, except the code units */
    const uint8_t *bytecode;
    uint32_t bytecode_size;
    const uint8_t *line_table;
    uint32_t line_table_size;
    const struct string_object *filename;
    const struct string_object *name;
};

/* CORRUPT when the parts cannot be those of a code object, NOMEM. The caller destroys `out`. */
STATUS_CHECKED enum status code_build(const struct py_layout *layout,
                                      const struct opcode_table *opcodes,
                                      const struct code_source *source, struct code **out);

/* What tells this code object from another that is made at its address later. */
void code_identity_load(const struct py_layout *layout, const uint8_t *header,
                        struct code_identity *out);
bool code_identity_equal(const struct code_identity *a, const struct code_identity *b);

#endif
