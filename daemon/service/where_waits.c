#include "daemon/service/where_waits.h"

#include <stdlib.h>

#include "common/guard.h"
#include "daemon/python/sync_layout.h"
#include "daemon/target/thread_clock.h"

enum { HELD_MAX = 1 << 16 }; /* locks that are taken note of */

struct held_lock {
    uint64_t lock;
    uint32_t thread, frame;
};

struct waits {
    struct where_scene *scene;
    struct lock_objects objects;
    struct held_lock *held; /* by lock, once they are all there */
    size_t held_count, held_capacity;
    uint32_t holder; /* the thread whose locks are being looked for */
};

static void waits_deinit(struct waits *waits) {
    lock_objects_deinit(&waits->objects);
    free(waits->held);
}

static void held_note(void *context, uint64_t lock, uint32_t frame) {
    struct waits *waits = context;
    if (waits->held_count == waits->held_capacity) {
        size_t capacity = waits->held_capacity == 0 ? 64 : 2 * waits->held_capacity;
        struct held_lock *grown =
            capacity <= HELD_MAX ? reallocarray(waits->held, capacity, sizeof *grown) : NULL;
        if (grown == NULL) {
            return; /* its holder stays unknown */
        }
        waits->held = grown;
        waits->held_capacity = capacity;
    }
    waits->held[waits->held_count++] =
        (struct held_lock){.lock = lock, .thread = waits->holder, .frame = frame};
}

static void held_find(struct waits *waits, uint32_t thread) {
    waits->holder = thread;
    thread_wait_held(&waits->objects, &waits->scene->threads[thread].record->stack, held_note,
                     waits);
}

/* Whether its stack and what the kernel says of it can be drawn conclusions from. */
static bool thread_is_sound(const struct where_thread *thread) {
    return thread->record != NULL && thread->known && !thread->torn;
}

static void wait_find(struct waits *waits, struct where_thread *thread) {
    thread->wait = (struct thread_wait){.kind = WAIT_NONE};
    if (thread_is_sound(thread) && !thread->holds_gil && !thread->wants_gil) {
        thread_wait_find(&waits->objects, &thread->record->stack, &thread->activity, &thread->wait);
    }
}

/* The living thread of a pthread_t. */
static uint32_t thread_of(const struct where_scene *scene, uint64_t pthread) {
    for (uint32_t i = 0; pthread != 0 && i < scene->count; i++) {
        if (scene->threads[i].record->pthread == pthread && scene->threads[i].record->bound) {
            return i;
        }
    }
    return WAIT_GRAPH_NOBODY;
}

static int by_lock(const void *a, const void *b) {
    const struct held_lock *left = a;
    const struct held_lock *right = b;
    return (left->lock > right->lock) - (left->lock < right->lock);
}

/* The first note of a lock, in their order, or where it would be. */
static size_t held_first(const struct waits *waits, uint64_t lock) {
    size_t low = 0;
    size_t high = waits->held_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (waits->held[middle].lock < lock) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Who has taken the lock by `with`. If several have, all but one have released it by hand for now:
 * not the one that waits for it. */
static void lock_holder_find(const struct waits *waits, struct where_thread *thread) {
    for (size_t i = held_first(waits, thread->wait.object);
         i < waits->held_count && waits->held[i].lock == thread->wait.object; i++) {
        const struct held_lock *held = &waits->held[i];
        bool itself = &waits->scene->threads[held->thread] == thread;
        if (thread->holder == WAIT_GRAPH_NOBODY || !itself) {
            thread->holder = held->thread;
            thread->holder_frame = held->frame;
        }
        if (!itself) {
            break;
        }
    }
}

static void holder_find(const struct waits *waits, struct where_thread *thread) {
    thread->holder = WAIT_GRAPH_NOBODY;
    if (thread->wait.kind == WAIT_RLOCK || thread->wait.kind == WAIT_THREAD) {
        thread->holder = thread_of(waits->scene, thread->wait.owner);
    } else if (thread->wait.kind == WAIT_LOCK) {
        lock_holder_find(waits, thread);
    }
}

/* Who holds the locks that are waited for. Frames are gone through only if there are such. */
static void holders_find(struct waits *waits) {
    struct where_scene *scene = waits->scene;
    bool wanted = false;
    for (uint32_t i = 0; i < scene->count; i++) {
        wanted = wanted || scene->threads[i].wait.kind == WAIT_LOCK;
    }
    for (uint32_t i = 0; wanted && i < scene->count; i++) {
        if (thread_is_sound(&scene->threads[i])) {
            held_find(waits, i);
        }
    }
    if (waits->held_count > 0) {
        qsort(waits->held, waits->held_count, sizeof *waits->held, by_lock);
    }
    for (uint32_t i = 0; i < scene->count; i++) {
        holder_find(waits, &scene->threads[i]);
    }
}

/* Whether a second look at a thread of a circle shows what the first one did. */
static bool member_is_same(struct waits *waits, struct where_thread *thread) {
    struct where_scene *scene = waits->scene;
    struct where_thread before = *thread;
    struct where_thread *holder = &scene->threads[before.holder];
    if (!where_scene_look_again(scene, thread) || !where_scene_look_again(scene, holder)) {
        return false;
    }
    wait_find(waits, thread);
    if (thread->wait.kind != before.wait.kind || thread->wait.object != before.wait.object ||
        thread->wait.owner != before.wait.owner || thread->wait.timed) {
        return false;
    }
    if (before.wait.kind != WAIT_LOCK) {
        return true;
    }
    waits->held_count = 0;
    held_find(waits, before.holder);
    for (size_t i = 0; i < waits->held_count; i++) {
        if (waits->held[i].lock == before.wait.object &&
            waits->held[i].frame == before.holder_frame) {
            return true;
        }
    }
    return false;
}

/* How often a thread was put on a CPU; false where the kernel does not tell. */
static bool slices_read(const struct where_scene *scene, pid_t tid, uint64_t *slices) {
    struct thread_clock clock = THREAD_CLOCK_NONE;
    uint64_t runtime_ns = 0;
    bool known = thread_clock_open(scene->process, tid, &clock) == STATUS_OK &&
                 thread_clock_read(&clock, &runtime_ns, slices) == STATUS_OK;
    thread_clock_close(&clock);
    return known;
}

/* Looks at the threads of one circle again. */
static bool circle_holds(struct waits *waits, uint32_t circle) {
    struct where_scene *scene = waits->scene;
    GUARD_FREE uint64_t *slices = calloc((size_t)scene->count + 1, sizeof *slices);
    bool holds = slices != NULL;
    for (uint32_t i = 0; i < scene->count && holds; i++) {
        struct where_thread *thread = &scene->threads[i];
        holds = thread->circle != circle || slices_read(scene, thread->tid, &slices[i]);
    }
    for (uint32_t i = 0; i < scene->count && holds; i++) {
        struct where_thread *thread = &scene->threads[i];
        holds = thread->circle != circle || member_is_same(waits, thread);
    }
    for (uint32_t i = 0; i < scene->count && holds; i++) {
        struct where_thread *thread = &scene->threads[i];
        uint64_t now = 0;
        holds =
            thread->circle != circle || (slices_read(scene, thread->tid, &now) && now == slices[i]);
    }
    return holds;
}

/* Finds the circles, and drops those that a second look does not confirm. */
static enum status circles_find(struct waits *waits) {
    struct where_scene *scene = waits->scene;
    size_t count = scene->count;
    GUARD_FREE uint32_t *waits_for = calloc(count + 1, sizeof *waits_for);
    GUARD_FREE uint32_t *circle = calloc(count + 1, sizeof *circle);
    uint32_t circles = 0;
    if (waits_for == NULL || circle == NULL) {
        return STATUS_NOMEM;
    }
    for (uint32_t i = 0; i < scene->count; i++) {
        const struct where_thread *thread = &scene->threads[i];
        waits_for[i] = thread->wait.timed ? WAIT_GRAPH_NOBODY : thread->holder;
    }
    enum status status = wait_graph_circles(waits_for, scene->count, circle, &circles);
    for (uint32_t i = 0; i < scene->count && status == STATUS_OK; i++) {
        scene->threads[i].circle = circle[i];
    }
    for (uint32_t number = 1; number <= circles && status == STATUS_OK; number++) {
        uint32_t kept = circle_holds(waits, number) ? ++scene->circles : 0;
        for (uint32_t i = 0; i < scene->count; i++) {
            if (circle[i] == number) {
                scene->threads[i].circle = kept;
            }
        }
    }
    return status;
}

enum status where_waits_find(struct where_scene *scene) {
    const struct py_layout *layout = &scene->runtime->layout;
    __attribute__((cleanup(waits_deinit))) struct waits waits = {.scene = scene};
    enum status status = lock_objects_init(&waits.objects, where_scene_memory(scene), layout,
                                           sync_layout_find(layout));
    if (status != STATUS_OK) {
        return status;
    }
    for (uint32_t i = 0; i < scene->count; i++) {
        wait_find(&waits, &scene->threads[i]);
    }
    holders_find(&waits);
    return circles_find(&waits);
}
