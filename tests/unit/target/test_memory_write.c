#include "daemon/target/memory_write.h"

#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "child.h"

static char text[] = "before";

static struct raddr at(const void *pointer) {
    return raddr_make((uintptr_t)pointer);
}

/* A child whose memory is open. */
struct subject {
    struct child child;
    struct process process;
    struct memory_write door;
};

static struct subject subject_make(struct child child) {
    struct subject subject = {.child = child, .door = MEMORY_WRITE_NONE};
    subject.process = child_open(&subject.child);
    cr_assert(eq(int, memory_write_open(&subject.process, &subject.door, NULL), STATUS_OK));
    return subject;
}

static void subject_end(struct subject *subject) {
    memory_write_close(&subject->door);
    process_close(&subject->process);
    child_end(&subject->child);
}

Test(memory_write, writes_into_the_target_alone) {
    struct subject subject = subject_make(child_fork(NULL, NULL));
    char seen[sizeof text] = "";
    cr_assert(eq(int, memory_write_put(&subject.door, at(text), "after ", 6), STATUS_OK));
    cr_assert(eq(int, memory_write_get(&subject.door, at(text), seen, sizeof seen), STATUS_OK));
    cr_expect(eq(str, seen, "after "));
    cr_expect(eq(str, text, "before"));
    uint64_t word = 0;
    cr_assert(eq(int, memory_write_get_word(&subject.door, at(text), &word), STATUS_OK));
    cr_expect(eq(u64, word & 0xff, 'a'));
    subject_end(&subject);
}

Test(memory_write, knows_addresses_that_cannot_be) {
    struct subject subject = subject_make(child_fork(NULL, NULL));
    const uint64_t addresses[] = {
        0, 1, UINT64_MAX, INT64_MAX, UINT64_C(1) << 63, UINT64_C(0x7fffffffff000)};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; ++i) {
        char byte = 0;
        struct raddr address = raddr_make(addresses[i]);
        cr_expect(eq(int, memory_write_put(&subject.door, address, &byte, 1), STATUS_TORN));
        cr_expect(eq(int, memory_write_get(&subject.door, address, &byte, 1), STATUS_TORN));
    }
    subject_end(&subject);
}

Test(memory_write, says_that_the_target_has_ended) {
    struct subject subject = subject_make(child_fork(NULL, NULL));
    child_end(&subject.child);
    char byte = 0;
    cr_expect(eq(int, memory_write_put(&subject.door, at(text), &byte, 1), STATUS_GONE));
    cr_expect(eq(int, memory_write_get(&subject.door, at(text), &byte, 1), STATUS_GONE));
    struct memory_write again = MEMORY_WRITE_NONE;
    cr_expect(eq(int, memory_write_open(&subject.process, &again, NULL), STATUS_GONE));
    memory_write_close(&subject.door);
    process_close(&subject.process);
}

/* A shell that becomes another program when a line comes: the same pid, another memory. */
Test(memory_write, never_reaches_the_next_program) {
    int lines[2];
    cr_assert(zero(int, pipe(lines)));
    int standard = dup(STDIN_FILENO);
    cr_assert(ge(int, dup2(lines[0], STDIN_FILENO), 0));
    const char *const arguments[] = {"/bin/sh", "-c", "read line; exec sleep 1000", NULL};
    struct subject subject = subject_make(child_exec(arguments));
    cr_assert(ge(int, dup2(standard, STDIN_FILENO), 0));
    struct raddr random = subject.process.program.random_at;
    char byte = 0;
    cr_assert(eq(int, memory_write_get(&subject.door, random, &byte, 1), STATUS_OK));
    cr_assert(eq(sz, (size_t)write(lines[1], "go\n", 3), 3));
    for (unsigned i = 0; process_same_program(&subject.process) && i < 5000; ++i) {
        (void)usleep(1000);
    }
    cr_expect(eq(int, memory_write_put(&subject.door, random, &byte, 1), STATUS_GONE));
    struct memory_write again = MEMORY_WRITE_NONE;
    cr_expect(eq(int, memory_write_open(&subject.process, &again, NULL), STATUS_GONE));
    subject_end(&subject);
}
