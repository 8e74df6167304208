/* code_watch: publishes which code objects are destroyed, from CPython 3.12 on. */
#ifndef ECHION_SHIM_CODE_WATCH_H
#define ECHION_SHIM_CODE_WATCH_H

#include <stdbool.h>

/* Whether the interpreter offers it. Once per process, before the interpreter initialises. */
bool code_watch_can(void);

/* Watches the code objects of the interpreter that the calling thread runs in, unless it does
 * already. Any thread; without the GIL nothing happens. */
void code_watch_here(void);

#endif
