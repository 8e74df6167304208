#include "shim/audit.h"

#include <stddef.h>
#include <string.h>

#include "shim/code_watch.h"
#include "shim/quit_signal.h"
#include "shim/symbols.h"

typedef int audit_hook(const char *event, void *arguments, void *data);

/* Written by audit_begin, and by the thread that runs the main program. */
static bool watches_code, takes_quit;

static int on_event(const char *event, void *arguments, void *data) {
    (void)arguments;
    (void)data;
    /* Python/pythonrun.c, Modules/main.c: cpython.run_file, run_command, run_module, ... */
    const bool runs_main = strncmp(event, "cpython.run_", sizeof "cpython.run_" - 1) == 0;
    if (runs_main && takes_quit) {
        takes_quit = false;
        quit_signal_begin();
    }
    if (watches_code && (runs_main || strcmp(event, "exec") == 0 || strcmp(event, "import") == 0)) {
        code_watch_here();
    }
    return 0;
}

void audit_begin(bool quit) {
    int (*add_hook)(audit_hook * hook, void *data) = NULL;
    void *symbol = symbols_find("PySys_AddAuditHook");
    memcpy(&add_hook, &symbol, sizeof symbol); /* ISO C has no cast for a function */
    watches_code = code_watch_can();
    takes_quit = quit;
    if (add_hook != NULL && (watches_code || takes_quit)) {
        (void)add_hook(on_event, NULL);
    }
}
