/* made: codes and batches made by hand, for tests of the writers and for the readers' check.
 * Nothing is thread-safe; everything lives until the program ends. */
#ifndef ECHION_TESTS_UNIT_OUTPUT_MADE_H
#define ECHION_TESTS_UNIT_OUTPUT_MADE_H

#include <stdint.h>

#include "daemon/aggregate/batch.h"
#include "daemon/decode/code.h"

/* A code whose unit u is on line first_line + u / 2, from column 5 to before column 9, as
 * CPython 3.11 and later tell it. `units` is at most 200. */
const struct code *made_code(const char *file, const char *function, int32_t first_line,
                             uint32_t units);

/* The same, hidden. */
const struct code *made_hidden_code(void);

/* The node of a stack of frames, outermost first, each a code and a unit. */
struct made_frame {
    const struct code *code;
    uint32_t unit;
};
uint32_t made_stack(struct batch *batch, const struct made_frame *frames, uint32_t count);

#define MADE_STACK(batch, ...)                                                                     \
    made_stack((batch), (const struct made_frame[]){__VA_ARGS__},                                  \
               sizeof((const struct made_frame[]){__VA_ARGS__}) / sizeof(struct made_frame))

#endif
