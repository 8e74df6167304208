#include "daemon/inject/call_queue.h"

#include <string.h>

static bool ends_before(uint64_t start, uint64_t size, uint32_t *end) {
    if (start > CALL_QUEUE_BYTES_MAX || size > CALL_QUEUE_BYTES_MAX - start) {
        return false;
    }
    *end = start + size > *end ? (uint32_t)(start + size) : *end;
    return true;
}

uint32_t call_queue_size(const struct pending_layout *layout, unsigned word_size) {
    uint32_t end = 0;
    bool good =
        layout->slots > 1 && layout->slots <= CALL_QUEUE_SLOTS_MAX &&
        layout->slot_size >= 2 * word_size && layout->slot_size <= 4 * word_size &&
        ends_before(layout->lock, layout->lock_is_mutex_byte ? 1 : word_size, &end) &&
        ends_before(layout->count, sizeof(int32_t), &end) &&
        ends_before(layout->calls, (uint64_t)layout->slots * layout->slot_size, &end) &&
        ends_before(layout->first, sizeof(int32_t), &end) &&
        ends_before(layout->next, sizeof(int32_t), &end) &&
        (layout->finishing == UINT32_MAX || ends_before(layout->finishing, sizeof(int32_t), &end));
    return good ? end : 0;
}

static int32_t int_at(const struct call_queue *queue, uint32_t offset) {
    int32_t value = 0;
    memcpy(&value, queue->bytes + offset, sizeof value);
    return value;
}

static uint64_t word_at(const struct call_queue *queue, uint32_t offset) {
    uint64_t value = 0;
    memcpy(&value, queue->bytes + offset, queue->word_size);
    return value;
}

/* Whether a PyThread_type_lock is held: a semaphore of glibc, whose value stands in the low half of
 * a 64-bit word, or above the lowest bit of a 32-bit one (nptl/sem_waitcommon.c). What is neither
 * free nor held, because it is another libc's, counts as held. */
static enum status semaphore_look(const struct memory_write *door, uint64_t address, bool *held) {
    uint32_t value = 0;
    enum status status = memory_write_get(door, raddr_make(address), &value, sizeof value);
    if (status == STATUS_OK) {
        *held = (door->word_size == 4 ? value >> 1 : value) != 1;
    }
    return status;
}

enum status call_queue_read(const struct memory_write *door, struct raddr at,
                            const struct pending_layout *layout, struct call_queue *out) {
    uint32_t size = call_queue_size(layout, door->word_size);
    if (size == 0) {
        return STATUS_CORRUPT;
    }
    enum status status = memory_write_get(door, at, out->bytes, size);
    if (status != STATUS_OK) {
        return status;
    }
    out->layout = layout;
    out->at = at;
    out->word_size = door->word_size;
    int32_t first = int_at(out, layout->first);
    int32_t next = int_at(out, layout->next);
    int32_t slots = (int32_t)layout->slots;
    out->count = int_at(out, layout->count);
    if (first < 0 || first >= slots || next < 0 || next >= slots || out->count < 0 ||
        out->count > slots) {
        return STATUS_CORRUPT;
    }
    out->first = (uint32_t)first;
    out->next = (uint32_t)next;
    out->finishing = layout->finishing != UINT32_MAX && int_at(out, layout->finishing) != 0;
    out->locked = (out->bytes[layout->lock] & 1) != 0;
    return layout->lock_is_mutex_byte
               ? STATUS_OK
               : semaphore_look(door, word_at(out, layout->lock), &out->locked);
}

uint32_t call_queue_length(const struct call_queue *queue) {
    uint32_t slots = queue->layout->slots;
    return (queue->next + slots - queue->first) % slots;
}

bool call_queue_is_full(const struct call_queue *queue) {
    return call_queue_length(queue) + 1 >= queue->layout->slots ||
           (queue->layout->counts_all && (uint32_t)queue->count + 1 >= queue->layout->slots);
}

static uint32_t slot_at(const struct call_queue *queue, uint32_t index) {
    return queue->layout->calls + index * queue->layout->slot_size;
}

bool call_queue_find(const struct call_queue *queue, struct raddr function, struct raddr argument,
                     uint32_t *index) {
    uint32_t length = call_queue_length(queue);
    for (uint32_t i = 0; i < length; ++i) {
        uint32_t place = (queue->first + i) % queue->layout->slots;
        uint32_t slot = slot_at(queue, place);
        if (word_at(queue, slot) == function.v &&
            word_at(queue, slot + queue->word_size) == argument.v) {
            *index = place;
            return true;
        }
    }
    return false;
}

bool call_queue_is_half_put(const struct call_queue *queue) {
    return queue->layout->counts_all && (uint32_t)queue->count != call_queue_length(queue);
}

static enum status int_put(const struct memory_write *door, const struct call_queue *queue,
                           uint32_t offset, uint32_t value) {
    return memory_write_put(door, raddr_add(queue->at, offset), &value, sizeof value);
}

enum status call_queue_put(const struct memory_write *door, const struct call_queue *queue,
                           struct raddr function, struct raddr argument) {
    const struct pending_layout *layout = queue->layout;
    uint8_t slot[4 * sizeof(uint64_t)] = {0}; /* flags are 0 */
    memcpy(slot, &function.v, queue->word_size);
    memcpy(slot + queue->word_size, &argument.v, queue->word_size);
    enum status status = memory_write_put(door, raddr_add(queue->at, slot_at(queue, queue->next)),
                                          slot, layout->slot_size);
    if (status == STATUS_OK) {
        status = int_put(door, queue, layout->next, (queue->next + 1) % layout->slots);
    }
    if (status == STATUS_OK && layout->counts_all) {
        status = int_put(door, queue, layout->count, (uint32_t)queue->count + 1);
    }
    return status;
}

enum status call_queue_complete(const struct memory_write *door, const struct call_queue *queue) {
    return int_put(door, queue, queue->layout->count, call_queue_length(queue));
}
