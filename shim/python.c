#include "shim/python.h"

#include "shim/audit.h"
#include "shim/publish.h"

void python_begin(bool stealth) {
    publish_begin();
    if (publish_has_ring()) {
        audit_begin(!stealth);
    }
}
