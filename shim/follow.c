#include "shim/follow.h"

#include "common/shim_path.h"
#include "shim/publish.h"

static bool follows;

/* With -s (the shim is then a descriptor of echiond's) nothing is to be left in an environment that
 * a Python made: the way ends with the first one. */
void follow_begin(const char *entry, bool is_python) {
    follows = !(is_python && shim_path_is_descriptor(entry));
}

/* In a Python, what it becomes itself is followed, and what it starts if that is profiled. */
bool follow_exec(bool becomes) {
    if (!follows || publish_is_left_alone()) {
        return false;
    }
    return (becomes && publish_is_own()) || publish_follows();
}
