/* place_memo: where in the source a code unit is, remembered, since decoding a line table costs
 * more than writing a frame. Owned by a writer, used by its thread only.
 *
 * Bounded: a new place takes the slot of an old one. Codes are told apart by their serial, so that
 * a freed code's address may be used again. */
#ifndef ECHION_DAEMON_OUTPUT_PLACE_MEMO_H
#define ECHION_DAEMON_OUTPUT_PLACE_MEMO_H

#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/code.h"

struct place_memo;

STATUS_CHECKED enum status place_memo_create(struct place_memo **out);
void place_memo_destroy(struct place_memo *memo);

/* Begins a batch, and with it a new budget: a target that lies about its line tables cannot make
 * one batch take longer than the decoding of PLACE_MEMO_BUDGET bytes. */
enum { PLACE_MEMO_BUDGET = 128 * 1024 * 1024 };
void place_memo_begin(struct place_memo *memo);

/* The place of `unit`, as code_locate tells it; beyond the budget the code's first line. Valid
 * until the next call. */
const struct location *place_memo_find(struct place_memo *memo, const struct code *code,
                                       uint32_t unit);

#endif
