#include "daemon/service/where_words.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/target/syscall_name.h"

/* Where in the kernel it sleeps. */
static void call_words(const struct thread_activity *activity, unsigned word_size, char *out,
                       size_t capacity) {
    const char *name = activity->in_call ? syscall_name(activity->call, word_size) : NULL;
    if (name != NULL) {
        (void)snprintf(out, capacity, "in system call %s", name);
    } else if (activity->in_call) {
        (void)snprintf(out, capacity, "in system call %" PRId64, activity->call);
    } else {
        (void)snprintf(out, capacity, "in the kernel");
    }
}

void where_words_kernel(const struct thread_activity *activity, unsigned word_size, char *out) {
    char call[64];
    call_words(activity, word_size, call, sizeof call);
    switch (activity->state) {
    case 'R':
        (void)snprintf(out, WHERE_WORDS_MAX, "running");
        break;
    case 'T':
        (void)snprintf(out, WHERE_WORDS_MAX, "stopped");
        break;
    case 't':
        (void)snprintf(out, WHERE_WORDS_MAX, "stopped by a debugger");
        break;
    case 'Z':
    case 'X':
    case 'x':
        (void)snprintf(out, WHERE_WORDS_MAX, "has ended");
        break;
    case 'D':
        (void)snprintf(out, WHERE_WORDS_MAX, "in uninterruptible sleep, %s", call);
        break;
    default:
        (void)snprintf(out, WHERE_WORDS_MAX, "waiting %s", call);
        break;
    }
}

/* The thread of the same interpreter that has the GIL; NULL if none was seen to have it. */
static const struct where_thread *gil_holder(const struct where_scene *scene,
                                             const struct where_thread *thread) {
    for (uint32_t i = 0; i < scene->count; i++) {
        const struct where_thread *other = &scene->threads[i];
        if (other->holds_gil && other->record->interpreter == thread->record->interpreter) {
            return other;
        }
    }
    return NULL;
}

/* "worker-1 (4244)". */
static void thread_name(const struct where_thread *thread, char *out, size_t capacity) {
    (void)snprintf(out, capacity, "%.400s (%d)", where_thread_name(thread), thread->tid);
}

/* What it waits for that another thread has to do. */
static void wait_words(const struct where_scene *scene, const struct where_thread *thread,
                       char *out) {
    const struct thread_wait *wait = &thread->wait;
    const char *timed = wait->timed ? ", for a limited time" : "";
    const char *kind = wait->kind == WAIT_LOCK ? "Lock" : "RLock";
    char holder[512] = "";
    if (thread->holder != WAIT_GRAPH_NOBODY) {
        thread_name(&scene->threads[thread->holder], holder, sizeof holder);
    }
    switch (wait->kind) {
    case WAIT_LOCK:
    case WAIT_RLOCK:
        if (thread->holder != WAIT_GRAPH_NOBODY) {
            bool own = &scene->threads[thread->holder] == thread;
            (void)snprintf(out, WHERE_WORDS_MAX,
                           "waiting for the %s at 0x%" PRIx64 "%s, which %s holds", kind,
                           wait->object, timed, own ? "it" : holder);
        } else {
            (void)snprintf(out, WHERE_WORDS_MAX, "waiting for the %s at 0x%" PRIx64 "%s, %s", kind,
                           wait->object, timed,
                           wait->kind == WAIT_LOCK ? "holder unknown: a Lock records none"
                                                   : "holder unknown");
        }
        break;
    case WAIT_THREAD:
        (void)snprintf(out, WHERE_WORDS_MAX, "waiting for %s to end%s",
                       *holder == '\0' ? "another thread" : holder, timed);
        break;
    case WAIT_EVENT:
        (void)snprintf(out, WHERE_WORDS_MAX, "waiting in %s%s", wait->what, timed);
        break;
    case WAIT_NONE:
        break;
    }
}

void where_words(const struct where_scene *scene, const struct where_thread *thread, char *out) {
    const struct where_thread *holder = thread->wants_gil ? gil_holder(scene, thread) : NULL;
    bool stopped =
        thread->known && (thread->activity.state == 'T' || thread->activity.state == 't');
    char kernel[WHERE_WORDS_MAX] = "unknown to the kernel";
    const char *note = "";
    if (thread->wait.kind != WAIT_NONE && !stopped) {
        wait_words(scene, thread, out);
        return;
    }
    if (holder != NULL && !stopped) {
        char name[512];
        thread_name(holder, name, sizeof name);
        (void)snprintf(out, WHERE_WORDS_MAX, "waiting for the GIL, which %s holds", name);
        return;
    }
    if (thread->wants_gil && !stopped) {
        (void)snprintf(out, WHERE_WORDS_MAX, "waiting for the GIL");
        return;
    }
    if (thread->known) {
        where_words_kernel(&thread->activity, scene->runtime->layout.word_size, kernel);
    }
    if (thread->record == NULL) {
        note = "; not a Python thread";
    } else if (thread->holds_gil) {
        note = ", holds the GIL";
    } else if (thread->known && thread->activity.state == 'R') {
        note = " without the GIL";
    }
    (void)snprintf(out, WHERE_WORDS_MAX, "%.900s%s", kernel, note);
}
