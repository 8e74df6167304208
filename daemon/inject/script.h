/* script: the Python text that loads a shared library into the interpreter that runs it. A plain
 * value, made by a pure function; any thread. Cold.
 *
 * The text leaves nothing behind: it runs in a namespace of its own, imports only modules that
 * every interpreter has had since its start, and loads by _imp.create_dynamic, which enters nothing
 * in sys.modules and works where ctypes is missing. It never raises, and does nothing in another
 * process than the one it was made for: a child that was forked meanwhile has inherited the request
 * to run it.
 *
 * It is one code object, which profiles leave out (common/own_code.h).
 *
 * What it loads is a copy in a memfd: the file may lie where nothing may be mapped as code, and
 * goes when we go. Where Python or the system has no memfd, or no /proc, it is the file itself. The
 * copy goes by a path that nobody else writes like that, as the loader takes a library that it
 * knows by the same path for the same one.
 *
 * The library exports PyInit_ with SCRIPT_MODULE behind it, does its work there, and answers NULL;
 * what create_dynamic then raises ends in the script. It may be called more than once, as the text
 * may run once for each thread that has been asked to.
 *
 * One thing of the target's is lost if it comes in just this millisecond: an exception that one of
 * its own signal handlers raises while the text runs. Python has no way to hand it on. */
#ifndef ECHION_DAEMON_INJECT_SCRIPT_H
#define ECHION_DAEMON_INJECT_SCRIPT_H

#include <stddef.h>
#include <sys/types.h>

#include "common/status.h"

/* A path is written with four characters for a byte at most. */
enum {
    SCRIPT_LIBRARY_MAX = 256,
    SCRIPT_NAME_MAX = 32,
    SCRIPT_MAX = (SCRIPT_LIBRARY_MAX + SCRIPT_NAME_MAX) * 4 + 1536,
    SCRIPT_LIBRARY_SIZE_MAX = 1 << 20, /* bytes of the library */
};

#define SCRIPT_MODULE "echion_shim"

struct script {
    char text[SCRIPT_MAX];
    size_t length;
};

/* `library` is a file's path as the target sees it, any bytes; `name` what /proc/PID/maps shows of
 * its copy, ASCII; `own_pid` the target's id as it sees itself. UNSUPPORTED: one of them is too
 * long, or the path not absolute. */
STATUS_CHECKED enum status script_make(const char *library, const char *name, pid_t own_pid,
                                       struct script *out, struct error *error);

#endif
