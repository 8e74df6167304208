/* On an interpreter in this process's own memory, laid out as 3.11's and 3.10's. */
#include "daemon/inject/eval_state.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { ROOM = 1 << 18 };

static uint8_t runtime_bytes[ROOM], interpreter_bytes[ROOM], thread_bytes[ROOM];
static struct memory_write door;
static struct runtime runtime;
static struct pending_layout pending = {.in_interpreter = true, .queue = 112};
static struct eval_state eval;

static struct raddr address_of(const void *bytes) {
    return raddr_make((uintptr_t)bytes);
}

static void word_set(uint8_t *bytes, uint32_t offset, uint64_t value) {
    cr_assert(lt(u32, offset, ROOM - 8));
    memcpy(bytes + offset, &value, sizeof value);
}

static void int_set(uint8_t *bytes, uint32_t offset, int32_t value) {
    memcpy(bytes + offset, &value, sizeof value);
}

static void make(unsigned minor) {
    door = (struct memory_write){.fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), .word_size = 8};
    cr_assert(ge(int, door.fd, 0));
    runtime =
        (struct runtime){.address = address_of(runtime_bytes), .layout = *layout_find(3, minor, 8)};
    eval = (struct eval_state){.door = &door,
                               .runtime = &runtime,
                               .layout = eval_layout_find(minor, 8),
                               .pending = &pending,
                               .base = address_of(interpreter_bytes),
                               .interpreter = address_of(interpreter_bytes),
                               .main_thread = address_of(thread_bytes)};
    word_set(interpreter_bytes, runtime.layout.interpreter.threads_head, eval.main_thread.v);
    word_set(thread_bytes, runtime.layout.thread.interp, eval.interpreter.v);
    word_set(thread_bytes, runtime.layout.thread.id, 1);
}

static void tear_down(void) {
    (void)close(door.fd);
}

TestSuite(eval_state, .fini = tear_down);

static void gil_set(uint64_t holder, int32_t locked) {
    uint32_t gil = (uint32_t)eval.layout->gil_in_runtime;
    word_set(runtime_bytes, gil + 8, holder);
    int_set(runtime_bytes, gil + 16, locked);
}

Test(eval_state, knows_who_has_the_gil) {
    struct raddr holder = raddr_make(7);
    uint64_t id = 0;
    make(11);
    gil_set(eval.main_thread.v, 1);
    cr_assert(eq(int, eval_state_holder(&eval, &holder, &id), STATUS_OK));
    cr_expect(eq(u64, holder.v, eval.main_thread.v));
    cr_expect(eq(u64, id, 1));
    gil_set(eval.main_thread.v, 0); /* it had it last */
    cr_assert(eq(int, eval_state_holder(&eval, &holder, &id), STATUS_OK));
    cr_expect(eq(u64, holder.v, 0));
}

Test(eval_state, believes_no_holder_that_is_not_in_the_list) {
    struct raddr holder = raddr_make(7);
    uint64_t id = 0;
    make(11);
    gil_set((uintptr_t)runtime_bytes, 1);
    cr_assert(eq(int, eval_state_holder(&eval, &holder, &id), STATUS_OK));
    cr_expect(eq(u64, holder.v, 0));
    gil_set(8, 1); /* nothing is mapped there */
    holder = raddr_make(7);
    cr_assert(eq(int, eval_state_holder(&eval, &holder, &id), STATUS_OK));
    cr_expect(eq(u64, holder.v, 0));
}

Test(eval_state, counts_the_frames_that_are_left) {
    int32_t left = 0;
    make(11);
    int_set(thread_bytes, eval.layout->remaining, 940);
    cr_assert(eq(int, eval_state_frames_left(&eval, eval.main_thread, &left), STATUS_OK));
    cr_expect(eq(i32, left, 940));
    int_set(thread_bytes, eval.layout->remaining, INT32_MAX);
    cr_expect(eq(int, eval_state_frames_left(&eval, eval.main_thread, &left), STATUS_CORRUPT));
}

Test(eval_state, counts_them_from_the_depth_up_to_3_10) {
    int32_t left = 0;
    pending.queue = 80;
    make(10);
    int_set(interpreter_bytes, 64, 1000);
    int_set(thread_bytes, eval.layout->depth, 950);
    cr_assert(eq(int, eval_state_frames_left(&eval, eval.main_thread, &left), STATUS_OK));
    cr_expect(eq(i32, left, 50));
    int_set(interpreter_bytes, 64, 0);
    cr_expect(eq(int, eval_state_frames_left(&eval, eval.main_thread, &left), STATUS_CORRUPT));
}
