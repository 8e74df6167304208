/* outside_frames: the frames of a stack that lie outside the datastack: generators and coroutines,
 * in their objects, and entry frames, on the C stack. HOT, pure.
 *
 * They are copied some microseconds after the datastack, and their memory is used again at once. So
 * a link alone proves little: what is believed is said at call_believed() (docs/sampling.md). */
#ifndef ECHION_DAEMON_DECODE_OUTSIDE_FRAMES_H
#define ECHION_DAEMON_DECODE_OUTSIDE_FRAMES_H

#include "daemon/decode/walk.h"

/* Whether `frame`, which lies above the last frame of the stack and names another caller, was
 * called from it all the same: by C code, or by a generator. Generators in between are pushed.
 * Where an entry frame says so it is noted in `frame`. */
bool outside_link(struct walk *walk, struct frame *frame);

/* Goes on from the last frame into the generators that it resumes, or that C code called from it.
 */
void outside_descend(struct walk *walk);

#endif
