/* On queues in this process's own memory, laid out as those of CPython 3.11 and 3.13. */
#include "daemon/inject/call_queue.h"

#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

struct queue_311 {
    sem_t *lock;
    int calls_to_do, async_exc;
    struct {
        uint64_t func, arg;
    } calls[32];
    int first, last;
};

struct queue_313 {
    uint64_t handling_thread;
    uint8_t mutex;
    int32_t npending, max, maxloop;
    struct {
        uint64_t func, arg;
        int flags;
    } calls[300];
    int first, next;
};

static const struct pending_layout layout_311 = {.lock = offsetof(struct queue_311, lock),
                                                 .count = offsetof(struct queue_311, calls_to_do),
                                                 .calls = offsetof(struct queue_311, calls),
                                                 .slot_size = 16,
                                                 .slots = 32,
                                                 .first = offsetof(struct queue_311, first),
                                                 .next = offsetof(struct queue_311, last),
                                                 .finishing = UINT32_MAX};

static const struct pending_layout layout_313 = {.lock = offsetof(struct queue_313, mutex),
                                                 .lock_is_mutex_byte = true,
                                                 .count = offsetof(struct queue_313, npending),
                                                 .counts_all = true,
                                                 .calls = offsetof(struct queue_313, calls),
                                                 .slot_size = 24,
                                                 .slots = 300,
                                                 .first = offsetof(struct queue_313, first),
                                                 .next = offsetof(struct queue_313, next),
                                                 .finishing = UINT32_MAX};

static struct memory_write door;
static sem_t lock;
static struct queue_311 old;
static struct queue_313 new;
static struct call_queue copy;

#define FUNCTION raddr_make(0x1000)
#define ARGUMENT raddr_make(0x2000)

static void set_up(void) {
    door = (struct memory_write){.fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), .word_size = 8};
    cr_assert(ge(int, door.fd, 0));
    (void)sem_init(&lock, 0, 1);
    old = (struct queue_311){.lock = &lock};
    new = (struct queue_313){.max = 300, .maxloop = 100};
}

static void tear_down(void) {
    (void)close(door.fd);
}

TestSuite(call_queue, .init = set_up, .fini = tear_down);

static enum status read_old(void) {
    return call_queue_read(&door, raddr_make((uintptr_t)&old), &layout_311, &copy);
}

static enum status read_new(void) {
    return call_queue_read(&door, raddr_make((uintptr_t) & new), &layout_313, &copy);
}

Test(call_queue, puts_a_call_behind_the_others) {
    uint32_t index = 0;
    old.first = 31;
    old.last = 31;
    cr_assert(eq(int, read_old(), STATUS_OK));
    cr_expect(eq(u32, call_queue_length(&copy), 0));
    cr_expect(not(call_queue_find(&copy, FUNCTION, ARGUMENT, &index)));
    cr_assert(eq(int, call_queue_put(&door, &copy, FUNCTION, ARGUMENT), STATUS_OK));
    cr_expect(eq(int, old.last, 0));
    cr_expect(eq(int, old.first, 31));
    cr_expect(eq(int, old.calls_to_do, 0));
    cr_expect(eq(u64, old.calls[31].func, FUNCTION.v));
    cr_expect(eq(u64, old.calls[31].arg, ARGUMENT.v));

    cr_assert(eq(int, read_old(), STATUS_OK));
    cr_expect(eq(u32, call_queue_length(&copy), 1));
    cr_expect(call_queue_find(&copy, FUNCTION, ARGUMENT, &index));
    cr_expect(eq(u32, index, 31));
    cr_expect(not(call_queue_find(&copy, FUNCTION, FUNCTION, &index)));
    old.first = 0; /* made: what stands in the slot is no call any longer */
    cr_assert(eq(int, read_old(), STATUS_OK));
    cr_expect(not(call_queue_find(&copy, FUNCTION, ARGUMENT, &index)));
}

Test(call_queue, counts_the_calls_of_3_13) {
    uint32_t index = 0;
    new.first = 298;
    new.next = 299;
    new.npending = 1;
    new.calls[298].func = 1;
    cr_assert(eq(int, read_new(), STATUS_OK));
    cr_expect(not(call_queue_is_half_put(&copy)));
    cr_assert(eq(int, call_queue_put(&door, &copy, FUNCTION, ARGUMENT), STATUS_OK));
    cr_expect(eq(int, new.next, 0));
    cr_expect(eq(int, new.npending, 2));
    cr_expect(eq(int, new.max, 300));
    cr_expect(eq(u64, new.calls[299].func, FUNCTION.v));
    cr_expect(eq(int, new.calls[299].flags, 0));
    cr_assert(eq(int, read_new(), STATUS_OK));
    cr_expect(call_queue_find(&copy, FUNCTION, ARGUMENT, &index));
    cr_expect(not(call_queue_is_half_put(&copy)));
}

Test(call_queue, completes_a_call_that_is_half_put_in) {
    new.next = 1;
    cr_assert(eq(int, read_new(), STATUS_OK));
    cr_assert(call_queue_is_half_put(&copy));
    cr_assert(eq(int, call_queue_complete(&door, &copy), STATUS_OK));
    cr_expect(eq(int, new.npending, 1));
    old.last = 1;
    cr_assert(eq(int, read_old(), STATUS_OK));
    cr_expect(not(call_queue_is_half_put(&copy)), "the others have a flag, and no count");
}

Test(call_queue, knows_when_it_is_full) {
    old.first = 5;
    old.last = 3;
    cr_assert(eq(int, read_old(), STATUS_OK));
    cr_expect(not(call_queue_is_full(&copy)));
    old.last = 4;
    cr_assert(eq(int, read_old(), STATUS_OK));
    cr_expect(call_queue_is_full(&copy));
    new.npending = 300; /* the indices are the same then */
    cr_assert(eq(int, read_new(), STATUS_OK));
    cr_expect(call_queue_is_full(&copy));
}

Test(call_queue, knows_when_it_is_locked) {
    cr_assert(eq(int, read_old(), STATUS_OK));
    cr_expect(not(copy.locked));
    (void)sem_wait(&lock);
    cr_assert(eq(int, read_old(), STATUS_OK));
    cr_expect(copy.locked);
    cr_assert(eq(int, read_new(), STATUS_OK));
    cr_expect(not(copy.locked));
    new.mutex = 3; /* locked, and somebody waits */
    cr_assert(eq(int, read_new(), STATUS_OK));
    cr_expect(copy.locked);
}

Test(call_queue, believes_no_index_that_is_absurd) {
    static const int absurd[] = {-1, 32, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; ++i) {
        old.first = absurd[i];
        cr_expect(eq(int, read_old(), STATUS_CORRUPT));
        old.first = 0;
        old.last = absurd[i];
        cr_expect(eq(int, read_old(), STATUS_CORRUPT));
        old.last = 0;
    }
    new.npending = 301;
    cr_expect(eq(int, read_new(), STATUS_CORRUPT));
    new.npending = -1;
    cr_expect(eq(int, read_new(), STATUS_CORRUPT));
}

Test(call_queue, believes_no_layout_that_is_absurd) {
    struct pending_layout layout = layout_313;
    cr_expect(eq(u32, call_queue_size(&layout, 8), 7232));
    layout.slots = 0;
    cr_expect(eq(u32, call_queue_size(&layout, 8), 0));
    layout = layout_313;
    layout.slots = 400; /* more than there is room for */
    cr_expect(eq(u32, call_queue_size(&layout, 8), 0));
    layout = layout_313;
    layout.next = UINT32_MAX;
    cr_expect(eq(u32, call_queue_size(&layout, 8), 0));
    layout = layout_313;
    layout.slot_size = 8;
    cr_expect(eq(u32, call_queue_size(&layout, 8), 0));
    cr_expect(eq(int, call_queue_read(&door, raddr_make((uintptr_t) & new), &layout, &copy),
                 STATUS_CORRUPT));
}
