/* call_site: where in its caller a call stands, when the caller was read a moment after the callee
 * and may have gone on to another call by then (frame objects, to 3.10). HOT. Pure but for the
 * pairs; used by the thread that owns them. */
#ifndef ECHION_DAEMON_DECODE_CALL_SITE_H
#define ECHION_DAEMON_DECODE_CALL_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/decode/call_pairs.h"
#include "daemon/decode/code.h"

#define CALL_SITE_UNKNOWN UINT32_MAX

/* Whether `caller` is known to call `callee` at `unit`: seen there several times while the thread
 * stood still, and in a fair share of what was seen there. */
static inline bool call_site_known(const struct call_pairs *pairs, const struct code *caller,
                                   uint32_t unit, const struct code *callee) {
    return call_pairs_proven(pairs, caller, unit, callee);
}

/* The unit from which `caller` called `callee`, at or before `unit`, where the caller was read: the
 * nearest known, or `last`, where the call was seen last, if that is nearer. Failing these, `last`
 * behind `unit`: the caller went round a loop. CALL_SITE_UNKNOWN if there is none. `last` may be
 * CALL_SITE_UNKNOWN. */
uint32_t call_site_find(const struct call_pairs *pairs, const struct code *caller, uint32_t unit,
                        const struct code *callee, uint32_t last);

#endif
