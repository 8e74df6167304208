#include "daemon/where/wait_graph.h"

#include "common/guard.h"

/* Each thread waits for one at most, so from anywhere there is one way to go: where that comes back
 * to a thread of the same walk, there is a circle. */
enum status wait_graph_circles(const uint32_t *waits_for, uint32_t count, uint32_t *circle,
                               uint32_t *circles) {
    GUARD_FREE uint32_t *walk = calloc((size_t)count + 1, sizeof *walk);
    if (walk == NULL) {
        return STATUS_NOMEM;
    }
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        circle[i] = 0;
    }
    for (uint32_t start = 0; start < count; start++) {
        uint32_t at = start;
        while (at < count && walk[at] == 0) {
            walk[at] = start + 1;
            at = waits_for[at];
        }
        if (at < count && walk[at] == start + 1) {
            found++;
            for (; circle[at] == 0; at = waits_for[at]) {
                circle[at] = found;
            }
        }
    }
    *circles = found;
    return STATUS_OK;
}
