#include "shim/python.h"

#include "shim/code_watch.h"
#include "shim/publish.h"
#include "shim/quit_signal.h"

void python_begin(bool stealth) {
    publish_begin();
    if (!publish_has_ring()) {
        return;
    }
    code_watch_begin();
    if (!stealth) {
        quit_signal_begin();
    }
}
