/* python: what the shim does in a process that is a Python, before its main. Once. */
#ifndef ECHION_SHIM_PYTHON_H
#define ECHION_SHIM_PYTHON_H

#include <stdbool.h>

/* Begins to publish. `stealth`: leaves no signal handler. */
void python_begin(bool stealth);

#endif
