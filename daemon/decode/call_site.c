/* HOT: no allocation, lock, log or system call. Bounded by LOOKS_MAX. */
#include "daemon/decode/call_site.h"

#include "daemon/decode/opcodes.h"

enum { LOOKS_MAX = 64 }; /* at instructions that can call */

uint32_t call_site_find(const struct call_pairs *pairs, const struct code *caller, uint32_t unit,
                        const struct code *callee, uint32_t last) {
    uint32_t looks = 0;
    if (unit >= caller->units) {
        return CALL_SITE_UNKNOWN;
    }
    for (uint32_t at = unit + 1; at > 0 && looks < LOOKS_MAX; at--) {
        if (at - 1 == last) {
            return last;
        }
        if ((caller->unit_flags[at - 1] & OP_CAN_CALL) == 0) {
            continue;
        }
        looks++;
        if (call_site_known(pairs, caller, at - 1, callee)) {
            return at - 1;
        }
    }
    return last < caller->units ? last : CALL_SITE_UNKNOWN;
}
