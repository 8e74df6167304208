/* follow: whether a program that is started from this process gets the shim too. Begun before main;
 * any thread may ask, also between vfork and exec. */
#ifndef ECHION_SHIM_FOLLOW_H
#define ECHION_SHIM_FOLLOW_H

#include <stdbool.h>

/* `entry` is the path by which we were preloaded; `is_python`, whether this process has one. */
void follow_begin(const char *entry, bool is_python);

/* `becomes`: by exec; otherwise by posix_spawn, which makes a process of its own for it. */
bool follow_exec(bool becomes);

#endif
