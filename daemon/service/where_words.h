/* where_words: what a thread does, in words. A function only; one thread. Cold. */
#ifndef ECHION_DAEMON_SERVICE_WHERE_WORDS_H
#define ECHION_DAEMON_SERVICE_WHERE_WORDS_H

#include <stddef.h>

#include "daemon/service/where_scene.h"

enum { WHERE_WORDS_MAX = 1024 };

/* Writes it to `out`, which has WHERE_WORDS_MAX bytes: "running, holds the GIL". Not yet fit for a
 * terminal: names of threads are in it. */
void where_words(const struct where_scene *scene, const struct where_thread *thread, char *out);

/* The same by the kernel's account alone. */
void where_words_kernel(const struct thread_activity *activity, unsigned word_size, char *out);

#endif
