#include "daemon/target/memory.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "child.h"

#define PAGE ((size_t)4096)

static const char text[] = "what the target says";

static struct memory self(unsigned word_size) {
    return (struct memory){.pid = getpid(), .word_size = word_size};
}

static struct raddr at(const void *pointer) {
    return raddr_make((uintptr_t)pointer);
}

/* Two pages, the second one unmapped. */
static char *page_before_a_hole(void) {
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(pages, MAP_FAILED);
    cr_assert_eq(munmap(pages + PAGE, PAGE), 0);
    return pages;
}

Test(memory, reads_another_process) {
    struct child child = child_fork(NULL, NULL);
    struct memory memory = {.pid = child.pid, .word_size = 8};
    char out[sizeof text] = "";
    cr_assert_eq(memory_read(&memory, at(text), out, sizeof out), STATUS_OK);
    cr_assert_str_eq(out, text);
    child_end(&child);
    cr_assert_eq(memory_read(&memory, at(text), out, sizeof out), STATUS_GONE);
}

Test(memory, nothing_and_the_unmapped) {
    struct memory memory = self(8);
    char byte = 'x';
    cr_assert_eq(memory_read(&memory, RADDR_NULL, &byte, 0), STATUS_OK);
    cr_assert_eq(memory_read(&memory, RADDR_NULL, &byte, 1), STATUS_TORN);
    cr_assert_eq(memory_read(&memory, raddr_make(UINT64_MAX), &byte, 1), STATUS_TORN);
    cr_assert_eq(memory_read(&memory, raddr_make(UINT64_C(1) << 63), &byte, 1), STATUS_TORN);
    cr_assert_eq(byte, 'x');
}

Test(memory, all_or_nothing) {
    char *page = page_before_a_hole();
    struct memory memory = self(8);
    char out[16];
    cr_assert_eq(memory_read(&memory, at(page + PAGE - 16), out, 16), STATUS_OK);
    cr_assert_eq(memory_read(&memory, at(page + PAGE - 15), out, 16), STATUS_TORN);
}

Test(memory, a_batch_stops_at_the_first_hole) {
    char *page = page_before_a_hole();
    memset(page, 'p', PAGE);
    struct memory memory = self(8);
    const struct iovec spans[] = {
        {page, 10}, {page + PAGE - 6, 20}, {(void *)(uintptr_t)text, sizeof text}};
    char out[64];
    memset(out, '.', sizeof out);
    size_t got = 0;
    cr_assert_eq(memory_read_batch(&memory, out, spans, 3, &got), STATUS_OK);
    cr_assert_eq(got, 16);
    cr_assert_eq(memcmp(out, "pppppppppppppppp....", 20), 0);
    cr_assert_eq(memory_read_batch(&memory, out, spans + 2, 1, &got), STATUS_OK);
    cr_assert_eq(got, sizeof text);
    cr_assert_str_eq(out, text);
    const struct iovec nowhere = {NULL, 8};
    got = 77;
    cr_assert_eq(memory_read_batch(&memory, out, &nowhere, 1, &got), STATUS_TORN);
    cr_assert_eq(got, 77);
}

Test(memory, as_many_spans_as_the_kernel_takes) {
    struct iovec spans[IOV_MAX];
    char out[IOV_MAX];
    for (unsigned i = 0; i < IOV_MAX; ++i) {
        spans[i] = (struct iovec){(char *)(uintptr_t)text + i % (sizeof text - 1), 1};
    }
    struct memory memory = self(8);
    size_t got = 0;
    cr_assert_eq(memory_read_batch(&memory, out, spans, IOV_MAX, &got), STATUS_OK);
    cr_assert_eq(got, IOV_MAX);
    for (unsigned i = 0; i < IOV_MAX; ++i) {
        cr_assert_eq(out[i], text[i % (sizeof text - 1)]);
    }
}

Test(memory, absurd_lengths_are_torn) {
    struct memory memory = self(8);
    char out[8];
    size_t got = 0;
    const struct iovec huge[] = {{(void *)(uintptr_t)text, SIZE_MAX}, {NULL, 2}};
    cr_assert_eq(memory_read_batch(&memory, out, huge, 1, &got), STATUS_TORN);
    cr_assert_eq(memory_read_batch(&memory, out, huge, 2, &got), STATUS_TORN);
}

Test(memory, words_of_both_widths) {
    const uint64_t value = 0x1122334455667788;
    struct memory wide = self(8);
    struct memory narrow = self(4);
    uint64_t word = 0;
    cr_assert_eq(memory_read_word(&wide, at(&value), &word), STATUS_OK);
    cr_assert_eq(word, value);
    cr_assert_eq(memory_read_word(&narrow, at(&value), &word), STATUS_OK);
    cr_assert_eq(word, 0x55667788);
    cr_assert_eq(memory_read_word(&narrow, RADDR_NULL, &word), STATUS_TORN);
    cr_assert_eq(word, 0x55667788);
}

Test(memory, strings) {
    char *page = page_before_a_hole();
    struct memory memory = self(8);
    char out[32];
    cr_assert_eq(memory_read_string(&memory, at(text), out, sizeof out), STATUS_OK);
    cr_assert_str_eq(out, text);
    cr_assert_eq(memory_read_string(&memory, at(text), out, sizeof text - 1), STATUS_CORRUPT);
    cr_assert_str_empty(out);
    /* One that ends right before a hole, and one that runs into it. */
    memcpy(page + PAGE - 4, "end", 4);
    cr_assert_eq(memory_read_string(&memory, at(page + PAGE - 4), out, sizeof out), STATUS_OK);
    cr_assert_str_eq(out, "end");
    page[PAGE - 1] = '!';
    cr_assert_eq(memory_read_string(&memory, at(page + PAGE - 4), out, sizeof out), STATUS_TORN);
    cr_assert_str_empty(out);
    cr_assert_eq(memory_read_string(&memory, RADDR_NULL, out, sizeof out), STATUS_TORN);
}
