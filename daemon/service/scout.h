/* scout: looks for the first Python among a command's processes, then for one more beside it, or
 * for all of them, and what they start.
 *
 * Both can block for good in what they read (mappings, memory), so neither is done by the main
 * thread, which owns the scout: the session's sampling thread looks for the first one, every half
 * to one millisecond while something is new, every few milliseconds while nothing happens; then a
 * thread of the scout's own looks for others, more rarely. Cold. */
#ifndef ECHION_DAEMON_SERVICE_SCOUT_H
#define ECHION_DAEMON_SERVICE_SCOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/service/python_search.h"

struct scout;

/* For what `root` is or will be, and what it forks. With `all`, scout_watch looks for every Python
 * among these, and what they start in turn, and rings the eventfd `bell` when there is one to take.
 */
STATUS_CHECKED enum status scout_create(pid_t root, bool all, int bell, struct scout **out,
                                        struct error *error);

/* With `all`, instead of scout_find: the root is a Python, and known. */
void scout_skip_root(struct scout *scout);

/* Looks until there is a Python whose interpreter has begun to initialise. Says which ones it
 * cannot profile, and why. ABSENT once `*search->stop` is set: none was found; the error's text is
 * empty if that has been explained already. */
STATUS_CHECKED enum status scout_find(struct scout *scout, const struct python_search *search,
                                      struct python_find *out, struct error *error);

/* Once scout_find has found one: goes on to look for another one beside it, and names it; or for
 * all. Main thread. */
void scout_watch(struct scout *scout);

/* Once scout_watch has been called, every READ_WATCH_NS (read_watch.h): whether it hangs in what it
 * looks at. Main thread. */
bool scout_hangs(struct scout *scout);

/* With `all`: a process has forked, or is about to exec; so it looks at once, and more often for a
 * while. Any thread. */
void scout_hint(struct scout *scout);

/* Lets it look no more. Main thread. */
void scout_stop(struct scout *scout);

/* With `all`: the next Python that was found, which is then the caller's. False if there is none.
 * Any thread. */
bool scout_take(struct scout *scout, struct python_find *out);

/* With `all`: a process that was taken is nobody's any more, though it may live on as another
 * program: if that is a Python it is found again. Any thread. */
void scout_release(struct scout *scout, pid_t pid);

/* Once scout_find has returned: ends it all. Accepts NULL. False if its thread hangs for good: the
 * caller leaves by _exit. */
bool scout_destroy(struct scout *scout);

#endif
