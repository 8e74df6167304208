/* program_name: looks a command's name up in PATH as execvp does, to tell what will be brought up
 * (common/program_file.h). Async-signal-safe, by any thread, with 10 KiB of stack; errno is lost.
 */
#ifndef ECHION_COMMON_PROGRAM_NAME_H
#define ECHION_COMMON_PROGRAM_NAME_H

#include "common/program_file.h"

/* PROGRAM_TEXT where a shell would get it. PROGRAM_OTHER if there is no such command. */
enum program_loader program_name_loader(const char *name);

#endif
