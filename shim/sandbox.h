/* sandbox: whether the program has shut itself in. From then on the kernel may end it for any call
 * that it does not expect, and ours are none that it does. */
#ifndef ECHION_SHIM_SANDBOX_H
#define ECHION_SHIM_SANDBOX_H

#include <stdbool.h>

/* Before main, once. */
void sandbox_begin(void);

/* Whether it has forbidden itself new privileges or set a filter of system calls, by prctl; a
 * filter set without rights takes the first. Inherited by forks. Any thread; makes no system call.
 */
bool sandbox_is_entered(void);

#endif
