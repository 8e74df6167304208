/* exec: hands the shim on to the programs that this process starts, unseen by them.
 *
 * Preloaded, the shim takes its entry out of the environment before main. It exports the functions
 * that start programs (shim/exports.map): they put the entry back for the new program, if
 * follow_exec() says so, and if its loader would take the shim without complaint. Otherwise, and in
 * everything else, they are the ones that come after ours.
 *
 * They are called by any thread, in a child of fork or vfork too: no heap, and no static memory is
 * written. */
#ifndef ECHION_SHIM_EXEC_H
#define ECHION_SHIM_EXEC_H

#include <stdbool.h>

/* Before main, once: `env` is what the process was started with. False, and nothing is done, if we
 * were not preloaded. */
bool exec_begin(char **env);

/* The path by which we were preloaded, "" if we were not. */
const char *exec_entry(void);

#endif
