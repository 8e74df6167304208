/* program_file: what an executable file is to somebody who wants to preload a library into it.
 *
 * Called between fork, or vfork, and exec, by any thread: async-signal-safe, no memory but some 5
 * KiB of stack, bounded, never waits for a file's other end. A file that cannot be told for sure is
 * PROGRAM_OTHER. errno is lost. */
#ifndef ECHION_COMMON_PROGRAM_FILE_H
#define ECHION_COMMON_PROGRAM_FILE_H

#include <stdbool.h>

enum program_loader {
    PROGRAM_OTHER,    /* nothing is to be preloaded: static, another libc or machine, a sanitizer,
                         other rights than ours (set-user-ID) */
    PROGRAM_TEXT,     /* the kernel does not execute it; execvp gives it to a shell */
    PROGRAM_GLIBC_64, /* the dynamic loader of glibc, for x86-64, brings it up */
    PROGRAM_GLIBC_32, /* ... and for i386 */
};

/* What execveat(folder, path) would bring up: of a script, its interpreter. An empty path means the
 * open file `folder` itself. Programs that need a sanitizer's runtime are PROGRAM_OTHER:
 * AddressSanitizer refuses to run where another library comes before it. */
enum program_loader program_file_loader(int folder, const char *path);

/* Opens a regular file for reading, never anything else: a FIFO's other end would notice. -1 if it
 * is none, or cannot be read. */
int program_file_open(int folder, const char *path);

/* Whether an open file is an object for that loader. */
bool program_file_suits(int file, enum program_loader loader);

#endif
