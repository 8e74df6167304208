/* where_json: a scene as one JSON object (RFC 8259), for programs. Its members are in echion(1),
 * WHERE: those that are there keep their meaning. Functions only; one thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_WHERE_JSON_H
#define ECHION_DAEMON_SERVICE_WHERE_JSON_H

#include <stdio.h>

#include "daemon/service/where_detail.h"

void where_json_process(FILE *out, const struct where_scene *scene, struct where_detail *detail);

/* Of a process whose memory does not answer: what comes before its threads, each of them, and what
 * comes behind. */
void where_json_kernel_begin(FILE *out, pid_t pid);
void where_json_kernel_thread(FILE *out, pid_t tid, const struct thread_activity *activity,
                              unsigned word_size, bool first);
void where_json_kernel_end(FILE *out);

#endif
