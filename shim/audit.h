/* audit: begins what can begin only once the interpreter has. CPython tells a hook (PEP 578) what
 * it is about to do; there is no other sign of that moment which needs no Python code. Once per
 * process, before the interpreter initialises; the hook runs in threads that hold the GIL. */
#ifndef ECHION_SHIM_AUDIT_H
#define ECHION_SHIM_AUDIT_H

#include <stdbool.h>

/* From 3.12 on code objects are watched (code_watch.h). `takes_quit`: and SIGQUIT is taken
 * (quit_signal.h), once the main program begins: the interpreter has looked by then how signals are
 * disposed of, and shows programs what it has found. Adds no hook if there is nothing to do. */
void audit_begin(bool takes_quit);

#endif
