/* The beginning of the shim in a process. */
#include <errno.h>
#include <stdbool.h>

#include "common/shim_path.h"
#include "shim/exec.h"
#include "shim/follow.h"
#include "shim/python.h"
#include "shim/symbols.h"

/* Before main, and in everything that is not Python all that it does by itself. */
__attribute__((constructor)) static void begin(int argc, char **argv, char **env) {
    int errnum = errno;
    (void)argc;
    (void)argv;
    exec_begin(env);
    bool is_python = symbols_find("PySys_AddAuditHook") != NULL; /* CPython 3.8 and newer */
    follow_begin(exec_entry(), is_python);
    if (is_python) {
        python_begin(shim_path_is_descriptor(exec_entry()));
    }
    errno = errnum;
}
