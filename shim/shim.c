/* The beginnings of the shim in a process: it is preloaded, or loaded by a program that runs. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/shim_path.h"
#include "shim/exec.h"
#include "shim/follow.h"
#include "shim/python.h"
#include "shim/symbols.h"

/* Other libcs give constructors no arguments. */
extern const char *gnu_get_libc_version(void) __attribute__((weak));

/* NOLINTNEXTLINE(readability-identifier-naming): CPython prescribes the name. */
__attribute__((visibility("default"))) void *PyInit_echion_shim(void);

/* Before main, and in everything that is not Python all that it does by itself. Nothing if it was
 * not preloaded. */
__attribute__((constructor)) static void begin(int argc, char **argv, char **env) {
    int errnum = errno;
    (void)argc;
    (void)argv;
    if (gnu_get_libc_version != NULL && exec_begin(env)) {
        bool is_python = symbols_find("PySys_AddAuditHook") != NULL; /* CPython 3.8 and newer */
        follow_begin(exec_entry(), is_python);
        if (is_python) {
            python_begin(shim_path_is_descriptor(exec_entry()));
        }
    }
    errno = errnum;
}

/* In a program that runs, which takes it for an extension module's beginning and calls it with the
 * GIL (daemon/inject/script.h). There is no module: the script that asked for one expects that. */
/* NOLINTNEXTLINE(readability-identifier-naming) */
void *PyInit_echion_shim(void) {
    int errnum = errno;
    python_join();
    errno = errnum;
    return NULL;
}
