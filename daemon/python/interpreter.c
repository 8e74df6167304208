#include "daemon/python/interpreter.h"

enum { INTERPRETERS_MAX = 4096, THREADS_IN_LIST_MAX = 1 << 16 };

static enum status word_read(const struct memory_write *door, struct raddr base, uint32_t offset,
                             uint64_t *out) {
    return memory_write_get_word(door, raddr_add(base, offset), out);
}

enum status interpreter_main(const struct memory_write *door, const struct runtime *runtime,
                             struct raddr *out) {
    const struct py_layout *layout = &runtime->layout;
    uint64_t address = 0;
    enum status status =
        word_read(door, runtime->address, layout->runtime.interpreters_head, &address);
    for (unsigned i = 0; status == STATUS_OK && i < INTERPRETERS_MAX; ++i) {
        uint64_t id = 0;
        if (address == 0) {
            return STATUS_TORN;
        }
        status =
            memory_write_get(door, raddr_make(address + layout->interpreter.id), &id, sizeof id);
        if (status == STATUS_OK && id == 0) {
            *out = raddr_make(address);
            return STATUS_OK;
        }
        if (status == STATUS_OK) {
            status = word_read(door, raddr_make(address), layout->interpreter.next, &address);
        }
    }
    return status == STATUS_OK ? STATUS_CORRUPT : status;
}

enum status interpreter_thread(const struct memory_write *door, const struct runtime *runtime,
                               struct raddr interpreter, struct raddr state, uint64_t *id) {
    const struct py_layout *layout = &runtime->layout;
    uint64_t owner = 0;
    uint64_t prev = 0;
    uint64_t link = 0;
    uint64_t number = 0;
    enum status status = word_read(door, state, layout->thread.interp, &owner);
    if (status == STATUS_OK) {
        status = word_read(door, state, layout->thread.prev, &prev);
    }
    if (status == STATUS_OK) {
        status =
            memory_write_get(door, raddr_add(state, layout->thread.id), &number, sizeof number);
    }
    if (status == STATUS_OK) {
        status = prev == 0 ? word_read(door, interpreter, layout->interpreter.threads_head, &link)
                           : word_read(door, raddr_make(prev), layout->thread.next, &link);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (owner != interpreter.v || link != state.v) {
        return STATUS_TORN;
    }
    *id = number;
    return STATUS_OK;
}

enum status interpreter_oldest_thread(const struct memory_write *door,
                                      const struct runtime *runtime, struct raddr interpreter,
                                      struct raddr *out, uint64_t *id) {
    const struct py_layout *layout = &runtime->layout;
    uint64_t state = 0;
    uint64_t next = 0;
    enum status status = word_read(door, interpreter, layout->interpreter.threads_head, &next);
    for (unsigned i = 0; status == STATUS_OK && next != 0; ++i) {
        if (i == THREADS_IN_LIST_MAX) {
            return STATUS_CORRUPT;
        }
        state = next;
        status = word_read(door, raddr_make(state), layout->thread.next, &next);
    }
    if (status == STATUS_OK && state == 0) {
        return STATUS_TORN;
    }
    uint64_t number = 0;
    if (status == STATUS_OK) {
        status = interpreter_thread(door, runtime, interpreter, raddr_make(state), &number);
    }
    if (status == STATUS_OK) {
        *out = raddr_make(state);
        *id = number;
    }
    return status;
}
