/* shim_path: where the shim's two files are, one for each word size, and whether one can be
 * preloaded. Async-signal-safe, by any thread; errno is lost. */
#ifndef ECHION_COMMON_SHIM_PATH_H
#define ECHION_COMMON_SHIM_PATH_H

#include <stdbool.h>

#include "common/program_file.h"

#define SHIM_NAME_64 "libechion-shim.so"
#define SHIM_NAME_32 "libechion-shim-i386.so"

enum { SHIM_PATH_MAX = 1024 };

/* Whether the shim is not a file with a name but a descriptor of echiond's, as -s has it:
 * /proc/PID/fd/N, where an even N is the one for 64 bits and the number after it that for 32. */
bool shim_path_is_descriptor(const char *path);

/* From the path of one of the two, the path of the one for that loader. False, and `out` undefined,
 * if there is no such path. */
bool shim_path_of(const char *path, enum program_loader loader, char out[static SHIM_PATH_MAX]);

/* Whether the loader would take it without complaint: from here, with the rights that we have, it
 * can be read, is an object of that word size, and may be mapped as code. */
bool shim_path_loads(const char *path, enum program_loader loader);

#endif
