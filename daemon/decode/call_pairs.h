/* call_pairs: which code calls which, and from where, as far as has been seen for certain. A fixed
 * amount of memory; when it is full everything is forgotten and learned anew. Owned by a sampler,
 * used by its thread only. HOT but for create and destroy. */
#ifndef ECHION_DAEMON_DECODE_CALL_PAIRS_H
#define ECHION_DAEMON_DECODE_CALL_PAIRS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/code.h"

struct call_pairs;

/* As a call's unit: anywhere in the caller. */
#define CALL_ANYWHERE UINT32_MAX

STATUS_CHECKED enum status call_pairs_create(struct call_pairs **out);
void call_pairs_destroy(struct call_pairs *pairs);

/* Notes that `caller`, at `unit`, was seen `times` times with `callee` running inside that call. */
void call_pairs_note(struct call_pairs *pairs, const struct code *caller, uint32_t unit,
                     const struct code *callee, uint32_t times);

/* Whether that was noted often enough to be believed: several times, and in a fair share of what
 * was noted at that place. Without the share, pairs that come of torn pictures would prove
 * themselves. */
bool call_pairs_proven(const struct call_pairs *pairs, const struct code *caller, uint32_t unit,
                       const struct code *callee);

/* Whether anything was noted at that place. */
bool call_pairs_seen(const struct call_pairs *pairs, const struct code *caller, uint32_t unit);

#endif
