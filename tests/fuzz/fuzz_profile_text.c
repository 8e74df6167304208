/* Any bytes as a collapsed profile: read and reported without harm, and the times
 * add up. */
#include <stdlib.h>

#include "tests/fuzz/profile_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    profile_fuzz(profile_text_read, data, size);
    return 0;
}
