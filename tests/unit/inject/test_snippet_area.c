/* On an area in this process's own memory. */
#include "daemon/inject/snippet_area.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { CELL = 320 };

static struct memory_write door;
static struct snippet_area area;
static char bytes[SNIPPET_MARK_SIZE + 1 + SNIPPET_CELLS * CELL];
static struct snippet snippet;

static void set_up(void) {
    door = (struct memory_write){.fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), .word_size = 8};
    cr_assert(ge(int, door.fd, 0));
    memset(bytes, 0, sizeof bytes);
    area = (struct snippet_area){.at = raddr_make((uintptr_t)bytes), .cell_size = CELL};
    cr_assert(eq(int, snippet_make("/opt/a.so", 42, &snippet, NULL), STATUS_OK));
}

static void tear_down(void) {
    (void)close(door.fd);
}

TestSuite(snippet_area, .init = set_up, .fini = tear_down);

static char *cell_text(unsigned cell) {
    return (char *)(uintptr_t)snippet_area_cell(&area, cell).v;
}

Test(snippet_area, is_ours_by_its_mark) {
    unsigned last = 7;
    cr_expect(eq(int, snippet_area_last(&door, &area, &last), STATUS_TORN));
    cr_assert(eq(int, snippet_area_claim(&door, &area), STATUS_OK));
    cr_expect(area.claimed);
    cr_assert(eq(int, snippet_area_last(&door, &area, &last), STATUS_OK));
    cr_expect(eq(uint, last, 0));
    cr_assert(eq(int, snippet_area_set_last(&door, &area, 1), STATUS_OK));
    cr_assert(eq(int, snippet_area_last(&door, &area, &last), STATUS_OK));
    cr_expect(eq(uint, last, 1));
    bytes[SNIPPET_MARK_SIZE] = SNIPPET_CELLS + 1;
    cr_expect(eq(int, snippet_area_last(&door, &area, &last), STATUS_TORN));
}

Test(snippet_area, keeps_a_text_in_each_cell) {
    bool has = true;
    for (unsigned cell = 0; cell < SNIPPET_CELLS; ++cell) {
        cr_assert(eq(int, snippet_area_has(&door, &area, cell, &snippet, &has), STATUS_OK));
        cr_expect(not(has));
        cr_assert(eq(int, snippet_area_write(&door, &area, cell, &snippet), STATUS_OK));
        cr_expect(eq(str, cell_text(cell), snippet.text));
        cr_assert(eq(int, snippet_area_has(&door, &area, cell, &snippet, &has), STATUS_OK));
        cr_expect(has);
    }
    cr_expect(eq(sz, strlen(cell_text(0)), snippet.length));
}

Test(snippet_area, switches_a_text_off_and_on) {
    bool has = false;
    cr_assert(eq(int, snippet_area_write(&door, &area, 1, &snippet), STATUS_OK));
    cr_assert(eq(int, snippet_area_switch(&door, &area, 1, SNIPPET_OFF), STATUS_OK));
    cr_expect(eq(str, cell_text(1), (char *)""));
    cr_assert(eq(int, snippet_area_has(&door, &area, 1, &snippet, &has), STATUS_OK));
    cr_expect(has, "it can be switched on again");
    cr_assert(eq(int, snippet_area_switch(&door, &area, 1, SNIPPET_ON), STATUS_OK));
    cr_expect(eq(str, cell_text(1), snippet.text));
}

Test(snippet_area, takes_no_part_of_a_longer_text_for_the_text) {
    bool has = true;
    struct snippet longer;
    cr_assert(eq(int, snippet_make("/opt/a.so.1", 42, &longer, NULL), STATUS_OK));
    cr_assert(eq(int, snippet_area_write(&door, &area, 0, &longer), STATUS_OK));
    cr_assert(eq(int, snippet_area_write(&door, &area, 0, &snippet), STATUS_OK));
    cr_expect(eq(str, cell_text(0), snippet.text));
    cr_assert(eq(int, snippet_area_has(&door, &area, 0, &longer, &has), STATUS_OK));
    cr_expect(not(has));
}
