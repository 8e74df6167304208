/* wait_graph: threads that wait for one another in a circle. Pure; any thread. Cold. */
#ifndef ECHION_DAEMON_WHERE_WAIT_GRAPH_H
#define ECHION_DAEMON_WHERE_WAIT_GRAPH_H

#include <stdint.h>

#include "common/status.h"

#define WAIT_GRAPH_NOBODY UINT32_MAX

/* `waits_for[i]` is the thread that thread i waits for, or WAIT_GRAPH_NOBODY. Numbers the circles
 * from 1 on in the order of their first threads: `circle[i]` is the one that thread i is part of, 0
 * for none, also if it waits for one that is. Their count into `circles`. NOMEM. */
STATUS_CHECKED enum status wait_graph_circles(const uint32_t *waits_for, uint32_t count,
                                              uint32_t *circle, uint32_t *circles);

#endif
