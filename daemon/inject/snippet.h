/* snippet: the Python text that PyRun_SimpleString runs to load a shared library, where there is
 * little room and the namespace is the target's __main__: the counterpart of script, for CPython
 * 3.8 to 3.13. A plain value, made by a pure function; any thread. Cold.
 *
 * It is one expression: nothing is bound in __main__, not even for a moment in which another thread
 * could be going through its names, and no name is looked up there. It uses modules that every
 * interpreter has had since its start, and loads by _imp.create_dynamic, which enters nothing in
 * sys.modules and works where ctypes is missing. It never raises, does nothing in another process
 * than the one it was made for, and may run more than once. What script.h says of the library and
 * of exceptions that the target's signal handlers raise holds here, too.
 *
 * The first byte is expendable: a newline, in whose place SNIPPET_OFF makes it an empty text. */
#ifndef ECHION_DAEMON_INJECT_SNIPPET_H
#define ECHION_DAEMON_INJECT_SNIPPET_H

#include <stddef.h>
#include <sys/types.h>

#include "common/status.h"

/* A path is written with four characters for a byte at most. */
enum { SNIPPET_LIBRARY_MAX = 256, SNIPPET_MAX = SNIPPET_LIBRARY_MAX * 4 + 320 };

enum { SNIPPET_ON = '\n', SNIPPET_OFF = '\0' };
enum { SNIPPET_HOOK_ON = '1', SNIPPET_HOOK_OFF = '0' };

struct snippet {
    char text[SNIPPET_MAX];
    size_t length; /* without the NUL */
};

/* `library` is a path as the target sees it; `own_pid` the target's id as it sees itself. Any bytes
 * will do up to 3.11, from 3.12 on only UTF-8 (Python/import.c, hashtable_key_from_2_strings).
 * UNSUPPORTED: the path is too long, or not absolute. */
STATUS_CHECKED enum status snippet_make(const char *library, pid_t own_pid, struct snippet *out,
                                        struct error *error);

/* The same for a snippet that is called in the place of a thread's profile function, which it
 * removes first. The interpreter drops a reference of its argument then, and takes the first bytes
 * for the count: so those are a number that may change. SNIPPET_OFF would leave the function there
 * for ever: the byte at `*off` is SNIPPET_HOOK_ON, in whose place SNIPPET_HOOK_OFF makes the rest
 * of the text do nothing. */
STATUS_CHECKED enum status snippet_make_hook(const char *library, pid_t own_pid,
                                             struct snippet *out, size_t *off, struct error *error);

#endif
