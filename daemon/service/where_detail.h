/* where_detail: what is shown of a scene's frames beside their names and places: lines of source,
 * and locals if they are wanted. Part of one look at a process; the look's thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_WHERE_DETAIL_H
#define ECHION_DAEMON_SERVICE_WHERE_DETAIL_H

#include "daemon/service/where_scene.h"
#include "daemon/where/frame_locals.h"
#include "daemon/where/source_lines.h"

struct where_detail {
    struct source_lines *lines;
    bool locals; /* wanted; only then: */
    struct value_reader values;
    const struct sync_layout *sync;
};

/* Reads the source lines of all frames. A file that cannot be had is no failure. NOMEM,
 * UNSUPPORTED. */
STATUS_CHECKED enum status where_detail_init(struct where_detail *detail,
                                             const struct where_scene *scene, bool locals);

/* Accepts an all-zero detail. */
void where_detail_deinit(struct where_detail *detail);

/* A frame's line of source; NULL where it could not be had. */
const char *where_detail_line(const struct where_detail *detail, const struct frame *frame,
                              int32_t line);

#endif
