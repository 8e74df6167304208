/* Any bytes as the part of a MOJO profile behind "MOJ": read and reported without
 * harm, and the times add up. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/profile_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *file = malloc(size + 3);
    if (file == NULL) {
        return 0;
    }
    static const uint8_t begin[3] = {'M', 'O', 'J'};
    memcpy(file, begin, sizeof begin);
    if (size > 0) {
        memcpy(file + sizeof begin, data, size);
    }
    profile_fuzz(profile_mojo_read, file, size + 3);
    free(file);
    return 0;
}
