#include "shim/follow.h"

#include "common/shim_path.h"

static bool follows;

/* With -s (the shim is then a descriptor of echiond's) nothing is to be left in an environment that
 * a Python made: the way ends with the first one. */
void follow_begin(const char *entry, bool is_python) {
    follows = !(is_python && shim_path_is_descriptor(entry));
}

bool follow_exec(void) {
    return follows;
}
