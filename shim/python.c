#include "shim/python.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "shim/audit.h"
#include "shim/code_watch.h"
#include "shim/publish.h"
#include "shim/symbols.h"

/* Whether the audit hook is there, which forks inherit. */
static atomic_flag watched = ATOMIC_FLAG_INIT;

void python_begin(bool stealth) {
    publish_begin();
    if (publish_has_ring()) {
        (void)atomic_flag_test_and_set(&watched);
        audit_begin(!stealth);
    }
}

/* An audit hook of the program's may have objected to ours. */
static void forget_exception(void) {
    void (*clear)(void) = NULL;
    void *symbol = symbols_find("PyErr_Clear");
    memcpy(&clear, &symbol, sizeof symbol); /* ISO C has no cast for a function */
    if (clear != NULL) {
        clear();
    }
}

void python_join(void) {
    publish_begin();
    if (!publish_has_ring()) {
        return;
    }
    if (!atomic_flag_test_and_set(&watched)) {
        audit_begin(false);
        forget_exception();
    }
    if (code_watch_can()) {
        code_watch_here();
    }
}
