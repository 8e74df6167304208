/* stack_room: whether there is so much stack left. Between vfork and exec there is no other memory
 * to be had, and the stack may be a small one, of a thread or of a signal's handler. */
#ifndef ECHION_SHIM_STACK_ROOM_H
#define ECHION_SHIM_STACK_ROOM_H

#include <stdbool.h>
#include <stddef.h>

/* Async-signal-safe; makes the stack grow to where it was asked for; errno is lost. False on a
 * stack of sigaltstack's, behind which there may be no guard page. */
bool stack_room_is(size_t bytes);

#endif
