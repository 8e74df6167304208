#include "daemon/python/layout.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { FIRST_MINOR = 8, LAST_MINOR = 15 };

static const struct py_layout *row(unsigned minor, unsigned word_size) {
    const struct py_layout *layout = layout_find(3, minor, word_size);
    cr_assert(ne(ptr, (void *)(uintptr_t)layout, NULL), "no row for 3.%u, %u", minor, word_size);
    return layout;
}

/* Calls `body` with every row there is. */
static void for_each_row(void (*body)(const struct py_layout *)) {
    for (unsigned minor = FIRST_MINOR; minor <= LAST_MINOR; ++minor) {
        body(row(minor, 8));
        body(row(minor, 4));
    }
}

static void knows_itself(const struct py_layout *layout) {
    cr_assert(eq(ptr, (void *)(uintptr_t)layout_find(3, layout->minor, layout->word_size),
                 (void *)(uintptr_t)layout));
    cr_assert(eq(int, layout->major, 3));
}

Test(layout, every_minor_and_word_size_has_a_row) {
    for_each_row(knows_itself);
}

Test(layout, there_are_no_other_rows) {
    cr_assert(zero(ptr, (void *)(uintptr_t)layout_find(3, FIRST_MINOR - 1, 8)));
    cr_assert(zero(ptr, (void *)(uintptr_t)layout_find(3, LAST_MINOR + 1, 8)));
    cr_assert(zero(ptr, (void *)(uintptr_t)layout_find(2, 13, 8)));
    cr_assert(zero(ptr, (void *)(uintptr_t)layout_find(4, 13, 8)));
    cr_assert(zero(ptr, (void *)(uintptr_t)layout_find(3, 13, 2)));
    cr_assert(zero(ptr, (void *)(uintptr_t)layout_find(3, 13, 16)));
}

static void frame_model_fits(const struct py_layout *layout) {
    bool heap = layout->minor <= 10;
    bool stacktop = layout->minor >= 11 && layout->minor <= 13;
    enum frame_model model = heap       ? FRAME_MODEL_HEAP_CHAIN
                             : stacktop ? FRAME_MODEL_STACKTOP
                                        : FRAME_MODEL_EXECUTABLE_NULL;
    cr_expect(eq(int, layout->frame_model, model));
    cr_expect(eq(int, layout->frame.back != LAYOUT_ABSENT, heap));
    cr_expect(eq(int, layout->thread.frame != LAYOUT_ABSENT, heap));
    cr_expect(eq(int, layout->generator.frame != LAYOUT_ABSENT, heap));
    cr_expect(eq(int, layout->iframe.executable != LAYOUT_ABSENT, !heap));
    cr_expect(eq(int, layout->chunk.data != LAYOUT_ABSENT, !heap));
    cr_expect(eq(int, layout->iframe.stacktop != LAYOUT_ABSENT, stacktop));
    cr_expect(eq(int, layout->iframe.stackpointer != LAYOUT_ABSENT, layout->minor >= 14));
    cr_expect(eq(int, layout->thread.cframe != LAYOUT_ABSENT,
                 layout->minor == 11 || layout->minor == 12));
    cr_expect(eq(int, layout->thread.current_frame != LAYOUT_ABSENT, layout->minor >= 13));
    cr_expect(eq(int, layout->tag_mask, layout->minor >= 14 ? 3 : 0));
}

Test(layout, members_follow_the_frame_model) {
    for_each_row(frame_model_fits);
}

static void instruction_fits(const struct py_layout *layout) {
    cr_expect(eq(int, layout->instr_is_index, layout->minor <= 10));
    cr_expect(eq(int, layout->instr_scale, layout->minor <= 9 ? 1 : 2));
    cr_expect(eq(int, layout->instr_is_prev, layout->minor == 11 || layout->minor == 12));
    enum line_format format = layout->minor <= 9    ? LINE_FORMAT_LNOTAB
                              : layout->minor == 10 ? LINE_FORMAT_PEP626
                                                    : LINE_FORMAT_PEP657;
    cr_expect(eq(int, layout->line_format, format));
}

Test(layout, instructions_and_lines_follow_the_minor) {
    for_each_row(instruction_fits);
}

static void sizes_cover(const struct py_layout *layout) {
    uint32_t word = layout->word_size;
    cr_expect(ge(u32, layout->interpreter.size, layout->interpreter.modules + word));
    cr_expect(ge(u32, layout->interpreter.size, layout->interpreter.threads_head + word));
    cr_expect(ge(u32, layout->interpreter.size, layout->interpreter.id + 8));
    cr_expect(ge(u32, layout->thread.size, layout->thread.id + 8));
    cr_expect(ge(u32, layout->thread.size, layout->thread.thread_id + word));
    if (layout->minor >= 11) {
        cr_expect(ge(u32, layout->thread.size, layout->thread.datastack_limit + word));
        cr_expect(eq(u32, layout->thread.datastack_top, layout->thread.datastack_chunk + word));
        cr_expect(eq(u32, layout->chunk.data, 3 * word));
        /* FRAME_SPECIALS_SIZE is counted in words. */
        cr_expect(eq(u32, layout->iframe.localsplus % word, 0));
    }
    if (layout->minor >= 14) {
        cr_expect(ge(u32, layout->thread.size, layout->thread.executor + word));
    }
}

Test(layout, sizes_cover_what_is_to_be_read) {
    for_each_row(sizes_cover);
}

static void place_of_jit_is_not_guessed(const struct py_layout *layout) {
    cr_expect(eq(u32, layout->interpreter.jit, LAYOUT_ABSENT));
}

Test(layout, only_the_target_tells_where_jit_is) {
    for_each_row(place_of_jit_is_not_guessed);
}
