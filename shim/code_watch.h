/* code_watch: publishes which code objects are destroyed, from CPython 3.12 on. Once per process,
 * before the interpreter initialises; what follows runs in threads that hold the GIL. */
#ifndef ECHION_SHIM_CODE_WATCH_H
#define ECHION_SHIM_CODE_WATCH_H

/* Does nothing where the interpreter offers no such thing. */
void code_watch_begin(void);

#endif
