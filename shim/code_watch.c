#include "shim/code_watch.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "shim/publish.h"
#include "shim/symbols.h"

/* Include/cpython/code.h of 3.12: PyCodeEvent. */
enum { CODE_EVENT_DESTROY = 1 };

enum { INTERPRETERS_MAX = 64 };

typedef int code_callback(int event, void *code);

/* What we call of the interpreter's, which is none that we are linked with. */
static struct {
    int (*add_watcher)(code_callback *callback);  /* PyCode_AddWatcher */
    void *(*thread_state)(void);                  /* PyThreadState_GetUnchecked */
    void *(*interpreter)(void);                   /* PyInterpreterState_Get */
    int64_t (*interpreter_id)(void *interpreter); /* PyInterpreterState_GetID */
    void *(*take_exception)(void);                /* PyErr_GetRaisedException */
    void (*set_exception)(void *exception);       /* PyErr_SetRaisedException */
    void (*clear)(void);                          /* PyErr_Clear */
} python;

/* The interpreters that are watched, by their ids, which are not used again until Py_Finalize. Each
 * is entered by a thread that holds its GIL; two interpreters may do so at once. */
static _Atomic int64_t watched[INTERPRETERS_MAX]; /* id + 1; 0: free */

/* What is found may be a function, which ISO C has no cast for. */
static bool find(void *function, const char *name) {
    void *symbol = symbols_find(name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static int on_code(int event, void *code) {
    if (event == CODE_EVENT_DESTROY) {
        publish_code(RING_CODE_DESTROYED, (uint64_t)(uintptr_t)code);
    }
    return 0;
}

/* Takes note that an interpreter is watched. False if it was noted before, or there is no room. */
static bool note(int64_t id) {
    for (unsigned i = 0; i < INTERPRETERS_MAX; i++) {
        int64_t expected = 0;
        if (atomic_load_explicit(&watched[i], memory_order_relaxed) == id + 1) {
            return false;
        }
        if (atomic_compare_exchange_strong(&watched[i], &expected, id + 1)) {
            return true;
        }
        if (expected == id + 1) {
            return false;
        }
    }
    return false;
}

/* An interpreter has eight watchers at most (CODE_MAX_WATCHERS): without one it goes on as if we
 * were not there. */
static void watch(void) {
    if (!note(python.interpreter_id(python.interpreter()))) {
        return;
    }
    void *under_way = python.take_exception();
    if (python.add_watcher(on_code) < 0) {
        python.clear();
    }
    if (under_way != NULL) {
        python.set_exception(under_way);
    }
}

bool code_watch_can(void) {
    bool complete = find(&python.add_watcher, "PyCode_AddWatcher");
    complete &= find(&python.thread_state, "PyThreadState_GetUnchecked") ||
                find(&python.thread_state, "_PyThreadState_UncheckedGet"); /* its name in 3.12 */
    complete &= find(&python.interpreter, "PyInterpreterState_Get");
    complete &= find(&python.interpreter_id, "PyInterpreterState_GetID");
    complete &= find(&python.take_exception, "PyErr_GetRaisedException");
    complete &= find(&python.set_exception, "PyErr_SetRaisedException");
    complete &= find(&python.clear, "PyErr_Clear");
    return complete;
}

void code_watch_here(void) {
    if (python.thread_state() != NULL) {
        watch();
    }
}
