/* symbols: finds functions of the objects in this process by name, as dlsym does.
 *
 * Not dlsym itself: that is of glibc 2.34 in what is linked with a newer one, lies in a library of
 * its own before, and allocates when it finds nothing. Indirect functions (STT_GNU_IFUNC) are not
 * found. Takes the loader's lock: any thread, but not between vfork and exec, nor in a handler of a
 * signal. */
#ifndef ECHION_SHIM_SYMBOLS_H
#define ECHION_SHIM_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>

/* As dlsym(RTLD_DEFAULT): of the first object that has it. NULL if none has. */
void *symbols_find(const char *name);

/* As dlsym(RTLD_NEXT): of the first one after our own. */
void *symbols_find_next(const char *name);

/* The path that the loader knows our own object by. False if it does not fit. */
bool symbols_own_path(char *out, size_t size);

#endif
