/* where_waits: whom the threads of a scene wait for. A function only; the scene's thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_WHERE_WAITS_H
#define ECHION_DAEMON_SERVICE_WHERE_WAITS_H

#include "daemon/service/where_scene.h"

/* Fills in what each thread waits for, who holds that, and which threads wait for one another for
 * ever: such a circle counts only if a second look shows the same, and none of its threads has run
 * during that. A wait that will end by itself is part of none. NOMEM. */
STATUS_CHECKED enum status where_waits_find(struct where_scene *scene);

#endif
