/* frame_walk: from a picture of a thread's datastack to its stack, CPython 3.11 and later. HOT,
 * pure. Pictures of earlier versions it hands on to frame_chain.h.
 *
 * The frames of a datastack lie one behind another in call order, and a chunk is copied within some
 * hundred nanoseconds. What remains is to tell the living frames from the bytes of dead ones, by
 * what the minor leaves in them (docs/sampling.md). */
#ifndef ECHION_DAEMON_DECODE_FRAME_WALK_H
#define ECHION_DAEMON_DECODE_FRAME_WALK_H

#include "daemon/decode/call_pairs.h"
#include "daemon/decode/code_cache.h"
#include "daemon/decode/stack.h"
#include "daemon/python/layout.h"
#include "daemon/snapshot/thread_image.h"

/* Walks `image` into `stack`. Codes that are not believed any more at `now_ns` are asked for again.
 * On anything but WALK_DONE the stack holds nothing of use, but may be walked into again. `patient`
 * false: what the picture does not hold is done without. */
struct walk_result frame_walk(const struct py_layout *layout, struct code_cache *codes,
                              struct call_pairs *pairs, const struct thread_image *image,
                              uint64_t now_ns, bool patient, struct stack *stack);

#endif
