/* frame_chain: from a picture of a thread's frame objects to its stack, CPython 3.8 to 3.10. HOT,
 * pure.
 *
 * The frames are objects of their own on the heap, linked by f_back, and the picture of them takes
 * some microseconds: meanwhile the innermost of them end, and others begin in their memory. The
 * leaf is what the thread state named when the picture began, dead by now or not; who called it is
 * found from what the dead leave, and from what is remembered of them (docs/sampling.md). */
#ifndef ECHION_DAEMON_DECODE_FRAME_CHAIN_H
#define ECHION_DAEMON_DECODE_FRAME_CHAIN_H

#include "daemon/decode/call_pairs.h"
#include "daemon/decode/code_cache.h"
#include "daemon/decode/stack.h"
#include "daemon/python/layout.h"
#include "daemon/snapshot/thread_image.h"

/* Walks `image` into `stack`, as frame_walk does. stack->chain has room for the image's index. */
struct walk_result frame_chain_walk(const struct py_layout *layout, struct code_cache *codes,
                                    struct call_pairs *pairs, const struct thread_image *image,
                                    uint64_t now_ns, bool patient, struct stack *stack);

#endif
