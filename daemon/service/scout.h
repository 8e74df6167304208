/* scout: looks for the first Python among a launched command's processes, and for one more beside
 * it.
 *
 * Both can block for good in what they read (mappings, memory), so neither is done by the main
 * thread, which owns the scout: the session's sampling thread looks for the first one, every half
 * to one millisecond while something is new, every few milliseconds while nothing happens; then a
 * thread of the scout's own looks for another, more rarely. Cold. */
#ifndef ECHION_DAEMON_SERVICE_SCOUT_H
#define ECHION_DAEMON_SERVICE_SCOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/service/python_search.h"

struct scout;

/* For what `root` is or will be, and what it forks. */
STATUS_CHECKED enum status scout_create(pid_t root, struct scout **out, struct error *error);

/* Looks until there is a Python whose interpreter has begun to initialise. Says which ones it
 * cannot profile, and why. ABSENT once `*search->stop` is set: none was found; the error's text is
 * empty if that has been explained already. */
STATUS_CHECKED enum status scout_find(struct scout *scout, const struct python_search *search,
                                      struct python_find *out, struct error *error);

/* Once scout_find has found one: goes on to look for another one beside it, and names it. Main
 * thread. */
void scout_watch(struct scout *scout);

/* Once scout_find has returned: ends it all. Accepts NULL. False if its thread hangs for good: the
 * caller leaves by _exit. */
bool scout_destroy(struct scout *scout);

#endif
