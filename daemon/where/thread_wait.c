#include "daemon/where/thread_wait.h"

#include <string.h>

#include "daemon/where/frame_values.h"

/* The calls of the standard library in which one waits for somebody. To 3.10 there are no qualified
 * names, so the files count. */
static const struct {
    const char *file, *function;
    const char *what;
} waiting_calls[] = {
    {"/queue.py", "get", "Queue.get"},
    {"/queue.py", "put", "Queue.put"},
    {"/queue.py", "join", "Queue.join"},
    {"/threading.py", "wait_for", "Condition.wait_for"},
    {"/threading.py", "acquire", "Semaphore.acquire"},
    {"/threading.py", "_wait", "Barrier.wait"},
    {"/threading.py", "_enter", "Barrier.wait"},
    {"/threading.py", "start", "Thread.start"},
    {"/concurrent/futures/_base.py", "result", "Future.result"},
    {"/concurrent/futures/_base.py", "exception", "Future.exception"},
    {"/concurrent/futures/_base.py", "wait", "concurrent.futures.wait"},
    {"/concurrent/futures/_base.py", "as_completed", "concurrent.futures.as_completed"},
};

static bool text_ends(const char *text, const char *end) {
    size_t length = strlen(text);
    size_t size = strlen(end);
    return length >= size && strcmp(text + length - size, end) == 0;
}

/* Whether a frame is of this function, whatever class it is in. */
static bool frame_is_of(const struct frame *frame, const char *file, const char *function) {
    if (frame->code == NULL || !text_ends(frame->code->file, file)) {
        return false;
    }
    const char *dot = strrchr(frame->code->function, '.');
    return strcmp(dot == NULL ? frame->code->function : dot + 1, function) == 0;
}

/* In which of these calls the thread is, if the frame is that of one. */
static const char *call_find(const struct frame *frame) {
    for (size_t i = 0; i < sizeof waiting_calls / sizeof *waiting_calls; i++) {
        if (frame_is_of(frame, waiting_calls[i].file, waiting_calls[i].function)) {
            return waiting_calls[i].what;
        }
    }
    return NULL;
}

/* The outermost call of the library that leads to Condition.wait, if the thread is in that; and two
 * calls that wait without it. */
static const char *event_find(const struct stack *stack) {
    uint32_t at = stack->depth;
    const struct frame *leaf = &stack->frames[at - 1];
    if (frame_is_of(leaf, "/threading.py", "_shutdown")) {
        return "threading._shutdown, for all threads that are no daemons to end";
    }
    if (frame_is_of(leaf, "/concurrent/futures/thread.py", "_worker")) {
        return "SimpleQueue.get, for work for a ThreadPoolExecutor";
    }
    if (!frame_is_of(leaf, "/threading.py", "wait")) {
        return NULL;
    }
    const char *what = "Condition.wait";
    at--;
    if (at > 0 && frame_is_of(&stack->frames[at - 1], "/threading.py", "wait")) {
        what = "Event.wait";
        at--;
    }
    for (; at > 0; at--) {
        const char *outer = call_find(&stack->frames[at - 1]);
        if (outer == NULL) {
            break;
        }
        what = outer;
    }
    return what;
}

/* The frame of Thread.join, if that is where it waits; else NULL. */
static const struct frame *join_find(const struct stack *stack) {
    for (uint32_t i = stack->depth; i > 0 && i + 2 > stack->depth; i--) {
        const struct frame *frame = &stack->frames[i - 1];
        if (frame_is_of(frame, "/threading.py", "join")) {
            return frame;
        }
        if (!frame_is_of(frame, "/threading.py", "_wait_for_tstate_lock")) {
            break;
        }
    }
    return NULL;
}

static bool is_lock(const struct lock_object *object) {
    return object->kind == OBJECT_LOCK || object->kind == OBJECT_RLOCK;
}

/* The lock with this semaphore, among what the innermost frame has in its hands. */
static bool lock_of_semaphore(struct lock_objects *objects, const struct frame *frame,
                              uint64_t futex, struct lock_object *out) {
    struct frame_values values;
    if (frame_values_read(objects->memory, objects->layout, objects->sync, frame, &values) !=
        STATUS_OK) {
        return false;
    }
    for (uint32_t i = values.count; i-- > 0;) {
        struct lock_object object = lock_object_read(objects, values.values[i]);
        if (object.kind == OBJECT_BUILTIN) {
            object = lock_object_read(objects, object.self);
        }
        if (is_lock(&object) && object.lock == futex) {
            *out = object;
            return true;
        }
    }
    return false;
}

/* The lock in whose PyMutex the thread is parked: struct wait_entry, on its C stack, has the
 * address that it waits for right before the semaphore that it sleeps on
 * (Python/parking_lot.c, 3.13 to 3.15). */
static bool lock_of_parked(struct lock_objects *objects, uint64_t futex, struct lock_object *out) {
    uint64_t mutex = 0;
    struct raddr at = raddr_make(futex - objects->layout->word_size);
    if (memory_read_word(objects->memory, at, &mutex) != STATUS_OK) {
        return false;
    }
    *out = lock_object_read(objects, mutex - objects->sync->lock.lock);
    return is_lock(out);
}

void thread_wait_find(struct lock_objects *objects, const struct stack *stack,
                      const struct thread_activity *activity, struct thread_wait *out) {
    const struct py_layout *layout = objects->layout;
    struct thread_wait wait = {.kind = WAIT_NONE};
    struct frame_values values;
    uint64_t futex = 0;
    *out = wait;
    if (stack->depth == 0 ||
        !thread_activity_futex(activity, layout->word_size, &futex, &wait.timed)) {
        return;
    }
    const struct frame *join = join_find(stack);
    if (join != NULL) {
        wait.kind = WAIT_THREAD;
        if (frame_values_read(objects->memory, layout, objects->sync, join, &values) == STATUS_OK &&
            values.locals > 0) {
            wait.owner = lock_object_thread_ident(objects, values.values[0]);
        }
        *out = wait;
        return;
    }
    wait.what = event_find(stack);
    if (wait.what != NULL) {
        wait.kind = WAIT_EVENT;
        *out = wait;
        return;
    }
    struct lock_object lock;
    if (lock_of_semaphore(objects, &stack->frames[stack->depth - 1], futex, &lock) ||
        (objects->sync->locks_park && lock_of_parked(objects, futex, &lock))) {
        wait.kind = lock.kind == OBJECT_RLOCK ? WAIT_RLOCK : WAIT_LOCK;
        wait.object = lock.address;
        wait.owner = lock.owner;
        *out = wait;
    }
}

/* The lock that a `with` gives back whose exit is value `i`: to 3.13 a bound method, from 3.14 on a
 * method and the object behind it. */
static struct lock_object lock_to_release(struct lock_objects *objects,
                                          const struct frame_values *values, uint32_t i) {
    struct lock_object method = lock_object_read(objects, values->values[i]);
    struct lock_object none = {.kind = OBJECT_OTHER};
    bool bound = method.kind == OBJECT_BUILTIN || method.kind == OBJECT_METHOD;
    bool built_in = method.kind == OBJECT_BUILTIN || method.kind == OBJECT_DESCRIPTOR;
    if (method.kind != OBJECT_FUNCTION && !bound && !built_in) {
        return none;
    }
    if ((!bound && i + 1 >= values->sure) ||
        (built_in && !lock_object_is_named(objects, &method, "__exit__"))) {
        return none;
    }
    return lock_object_within(objects, bound ? method.self : values->values[i + 1]);
}

/* The lock that a call of Condition.wait has released until it returns, if the frame is one; else
 * 0.
 */
static uint64_t lock_released(struct lock_objects *objects, const struct frame *frame) {
    struct frame_values values;
    if (!frame_is_of(frame, "/threading.py", "wait") ||
        frame_values_read(objects->memory, objects->layout, objects->sync, frame, &values) !=
            STATUS_OK ||
        values.locals == 0) {
        return 0;
    }
    struct lock_object lock = lock_object_kept(objects, values.values[0]);
    return lock.kind == OBJECT_LOCK ? lock.address : 0;
}

void thread_wait_held(struct lock_objects *objects, const struct stack *stack,
                      void (*found)(void *context, uint64_t lock, uint32_t frame), void *context) {
    struct frame_values values;
    uint64_t released = 0;
    /* The innermost Condition.wait is at most two calls away: _acquire_restore is called by it. */
    for (uint32_t i = stack->depth; i > 0 && i + 2 > stack->depth && released == 0; i--) {
        released = lock_released(objects, &stack->frames[i - 1]);
    }
    for (uint32_t i = 0; i < stack->depth; i++) {
        if (stack->frames[i].code == NULL ||
            frame_values_read(objects->memory, objects->layout, objects->sync, &stack->frames[i],
                              &values) != STATUS_OK) {
            continue;
        }
        for (uint32_t j = values.locals; j < values.sure; j++) {
            struct lock_object lock = lock_to_release(objects, &values, j);
            if (lock.kind == OBJECT_LOCK && lock.address != released) {
                found(context, lock.address, i);
            }
        }
    }
}
