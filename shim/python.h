/* python: what the shim does in a process that is a Python. */
#ifndef ECHION_SHIM_PYTHON_H
#define ECHION_SHIM_PYTHON_H

#include <stdbool.h>

/* Before main, once: begins to publish. `stealth`: leaves no signal handler. */
void python_begin(bool stealth);

/* In a program that runs, by a thread with the GIL, as often as anybody wants: begins to publish if
 * this process does not yet. Takes no signal. */
void python_join(void);

#endif
