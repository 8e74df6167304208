#include "shim/follow.h"

#include "common/shim_path.h"
#include "shim/publish.h"

static bool follows;

/* With -s (the shim is then a descriptor of echiond's) nothing is to be left in an environment that
 * a Python made: the way ends with the first one. */
void follow_begin(const char *entry, bool is_python) {
    follows = !(is_python && shim_path_is_descriptor(entry));
}

/* What a Python itself becomes is followed, and what it starts if the daemon wants that; before it
 * has said so, nobody knows. */
bool follow_exec(void) {
    if (!follows || !publish_has_ring() || publish_is_own() || publish_wanted() == 0) {
        return follows;
    }
    return publish_is_read() && (publish_wanted() & RING_WANTS_CHILDREN) != 0;
}
