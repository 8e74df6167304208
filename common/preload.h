/* preload: adds a library to the LD_PRELOAD of an environment, and takes it out again.
 *
 * It comes behind what is there, in an LD_PRELOAD of its own at the environment's end: of several,
 * glibc's loader takes the last (process_envvars in elf/rtld.c). So whatever was there, also an
 * empty one or several, stays as it is and where it is; other libraries see calls before ours does;
 * and AddressSanitizer's runtime, which insists on being first, remains so.
 *
 * No memory of its own, no state: async-signal-safe. Environments belong to the caller. */
#ifndef ECHION_COMMON_PRELOAD_H
#define ECHION_COMMON_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

/* What preload_add needs. */
struct preload_room {
    size_t pointers; /* of the new array, its NULL included */
    size_t bytes;    /* of the new variable */
};

/* False if nothing is to be added: the entry is there already, or the loader is told to list what
 * it loads (LD_TRACE_LOADED_OBJECTS, LD_DEBUG). `env` may be NULL. */
bool preload_measure(char *const *env, const char *entry, struct preload_room *out);

/* Makes `array` what `env` is, with the entry; `text` becomes its last string. */
void preload_add(char *const *env, const char *entry, char **array, char *text);

/* Makes an environment what it was before preload_add, in place. The variable's own bytes are
 * cleared, since /proc/PID/environ shows them. An entry that stands elsewhere, because somebody
 * rewrote the variable, is cut out of it. `copy` is another array of the same strings, or NULL.
 * True if there was an entry. */
bool preload_remove(char **env, char **copy, const char *entry);

#endif
