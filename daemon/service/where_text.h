/* where_text: a scene as a person reads it. Functions only; one thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_WHERE_TEXT_H
#define ECHION_DAEMON_SERVICE_WHERE_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "daemon/service/where_detail.h"

struct where_style {
    bool colour; /* with a terminal's escape sequences */
    bool expand; /* each thread and each frame by itself, however alike they are */
};

/* A header about the process. */
void where_text_process(FILE *out, const struct where_scene *scene,
                        const struct where_style *style);

/* The threads that wait for one another for ever; nothing if there are none. */
void where_text_deadlocks(FILE *out, const struct where_scene *scene,
                          const struct where_style *style);

/* Every thread, with its frames; threads that do the same in the same place together. */
void where_text_threads(FILE *out, const struct where_scene *scene, struct where_detail *detail,
                        const struct where_style *style);

/* What the kernel says of one thread, all that there is where memory does not answer. */
void where_text_kernel(FILE *out, pid_t tid, const struct thread_activity *activity,
                       unsigned word_size, const struct where_style *style);

#endif
