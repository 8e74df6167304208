#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/output/made.h"
#include "tests/unit/output/written.h"

static void expect(struct written *written, const char *expected) {
    size_t size;
    char *text = written_contents(written, &size);
    cr_assert_eq(size, strlen(text), "no NUL bytes");
    cr_assert_str_eq(text, expected);
    free(text);
}

Test(collapsed, nothing_is_written_for_nothing) {
    struct written written = written_make(OUTPUT_FORMAT_AUSTIN);
    expect(&written, "");
    written_end(&written);
}

Test(collapsed, a_line_per_thread_and_stack) {
    struct written written = written_make(OUTPUT_FORMAT_AUSTIN);
    struct batch *batch = written_batch(OUTPUT_FORMAT_AUSTIN);
    struct error error;
    const struct code *module = made_code("/srv/app.py", "<module>", 1, 10);
    const struct code *work = made_code("/srv/ein:fach.py", "Worker.run", 40, 10);
    uint32_t main_thread = batch_thread(batch, 4321, 0, "MainThread");
    uint32_t other = batch_thread(batch, 4321, 1, "pool: 1 x");
    uint32_t outer = MADE_STACK(batch, {module, 4});
    uint32_t inner = MADE_STACK(batch, {module, 4}, {work, 7});
    uint32_t torn = MADE_STACK(batch, {module, 4}, {NULL, 0});
    cr_assert(batch_sample(batch, main_thread, inner, 1, 1000));
    cr_assert(batch_sample(batch, main_thread, outer, 1, 20));
    cr_assert(batch_sample(batch, other, inner, 1, 3));
    cr_assert(batch_sample(batch, main_thread, inner, 1, 500));
    cr_assert(batch_sample(batch, other, BATCH_EMPTY_STACK, 1, 9));
    cr_assert(batch_sample(batch, other, torn, 1, 8));

    cr_assert_eq(writer_metadata(written.writer, "mode", "wall", &error), STATUS_OK);
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    cr_assert_eq(writer_metadata_number(written.writer, "duration", 1540, &error), STATUS_OK);
    expect(&written,
           "# mode: wall\n"
           "P4321;T0:MainThread;/srv/app.py:<module>:3;/srv/ein:fach.py:Worker.run:43 1500\n"
           "P4321;T0:MainThread;/srv/app.py:<module>:3 20\n"
           "P4321;T1:pool: 1 x;/srv/app.py:<module>:3;/srv/ein:fach.py:Worker.run:43 3\n"
           "P4321;T1:pool: 1 x 9\n"
           "P4321;T1:pool: 1 x;/srv/app.py:<module>:3;:INVALID: 8\n"
           "# duration: 1540\n");
    batch_destroy(batch);
    written_end(&written);
}

Test(collapsed, instructions_of_one_line_are_one_stack) {
    struct written written = written_make(OUTPUT_FORMAT_AUSTIN);
    struct batch *batch = written_batch(OUTPUT_FORMAT_AUSTIN);
    struct error error;
    const struct code *outer = made_code("a.py", "outer", 1, 10);
    const struct code *inner = made_code("a.py", "inner", 20, 10);
    uint32_t thread = batch_thread(batch, 1, 0, "1");
    cr_assert(batch_sample(batch, thread, MADE_STACK(batch, {outer, 2}, {inner, 4}), 1, 1));
    cr_assert(batch_sample(batch, thread, MADE_STACK(batch, {outer, 3}, {inner, 4}), 1, 10));
    cr_assert(batch_sample(batch, thread, MADE_STACK(batch, {outer, 2}, {inner, 5}), 1, 100));
    cr_assert(batch_sample(batch, thread, MADE_STACK(batch, {outer, 2}, {inner, 6}), 1, 1000));
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    expect(&written, "P1;T0:1;a.py:outer:2;a.py:inner:22 111\n"
                     "P1;T0:1;a.py:outer:2;a.py:inner:23 1000\n");
    batch_destroy(batch);
    written_end(&written);
}

Test(collapsed, trampolines_do_not_show) {
    struct written written = written_make(OUTPUT_FORMAT_AUSTIN);
    struct batch *batch = written_batch(OUTPUT_FORMAT_AUSTIN);
    struct error error;
    const struct code *hidden = made_hidden_code();
    const struct code *code = made_code("a.py", "f", 1, 10);
    uint32_t thread = batch_thread(batch, 1, 0, "1");
    cr_assert(
        batch_sample(batch, thread, MADE_STACK(batch, {code, 0}, {hidden, 0}, {code, 2}), 1, 1));
    cr_assert(batch_sample(batch, thread, MADE_STACK(batch, {code, 0}, {hidden, 0}), 1, 2));
    cr_assert(batch_sample(batch, thread, MADE_STACK(batch, {code, 0}), 1, 4));
    cr_assert(batch_sample(batch, thread, MADE_STACK(batch, {hidden, 0}), 1, 8));
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    expect(&written, "P1;T0:1;a.py:f:1;a.py:f:2 1\n"
                     "P1;T0:1;a.py:f:1 6\n"
                     "P1;T0:1 8\n");
    batch_destroy(batch);
    written_end(&written);
}

Test(collapsed, names_and_numbers_of_any_kind) {
    struct written written = written_make(OUTPUT_FORMAT_AUSTIN);
    struct batch *batch = written_batch(OUTPUT_FORMAT_AUSTIN);
    struct error error;
    const struct code *nameless = made_code("", "", 0, 1);
    const struct code *utf8 = made_code("/t/\xC3\xBC.py", "\xE5\x90\x8D", INT32_MAX, 1);
    uint32_t thread = batch_thread(batch, INT32_MAX, INT64_MAX, "");
    cr_assert(
        batch_sample(batch, thread, MADE_STACK(batch, {nameless, 0}, {utf8, 0}), 1, INT64_MAX));
    cr_assert(batch_sample(batch, thread, MADE_STACK(batch, {nameless, 0}), 1, 0));
    cr_assert(batch_sample(batch, thread, BATCH_EMPTY_STACK, 1, INT64_MIN));
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    expect(&written, "P2147483647;T9223372036854775807:;:<unknown>:0;"
                     "/t/\xC3\xBC.py:\xE5\x90\x8D:2147483647 9223372036854775807\n"
                     "P2147483647;T9223372036854775807:;:<unknown>:0 0\n"
                     "P2147483647;T9223372036854775807: -9223372036854775808\n");
    batch_destroy(batch);
    written_end(&written);
}

Test(collapsed, metadata_stays_on_its_line) {
    struct written written = written_make(OUTPUT_FORMAT_AUSTIN);
    struct error error;
    cr_assert_eq(writer_metadata(written.writer, "a: b\n", "x\ny: z\xFF\xC3\xA9", &error),
                 STATUS_OK);
    expect(&written, "# a_ b_: x_y: z\xEF\xBF\xBD\xC3\xA9\n");
    written_end(&written);
}

/* A freed code's memory comes back as another's: only the serial tells them apart. */
Test(collapsed, a_code_in_the_place_of_another_has_its_own_lines) {
    struct written written = written_make(OUTPUT_FORMAT_AUSTIN);
    struct batch *batch = written_batch(OUTPUT_FORMAT_AUSTIN);
    struct error error;
    struct code place = *made_code("a.py", "f", 1, 1);
    cr_assert(
        batch_sample(batch, batch_thread(batch, 1, 0, "1"), MADE_STACK(batch, {&place, 0}), 1, 1));
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    batch_clear(batch);
    place = *made_code("b.py", "g", 7, 1);
    cr_assert(
        batch_sample(batch, batch_thread(batch, 1, 0, "1"), MADE_STACK(batch, {&place, 0}), 1, 1));
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    expect(&written, "P1;T0:1;a.py:f:1 1\nP1;T0:1;b.py:g:7 1\n");
    batch_destroy(batch);
    written_end(&written);
}

Test(collapsed, a_full_batch_comes_out_whole) {
    struct written written = written_make(OUTPUT_FORMAT_AUSTIN);
    struct batch *batch = written_batch(OUTPUT_FORMAT_AUSTIN);
    struct error error;
    const struct code *code = made_code("a.py", "f", 1, 200);
    uint32_t node = BATCH_EMPTY_STACK;
    uint32_t thread = batch_thread(batch, 1, 0, "1");
    uint32_t depth = 0;
    for (uint32_t i = 0; (i = batch_child(batch, node, code, 2 * (depth % 100))) != BATCH_FULL;) {
        node = i;
        depth++;
    }
    cr_assert(batch_sample(batch, thread, node, 1, 5));
    cr_assert_eq(writer_batch(written.writer, batch, &error), STATUS_OK);
    size_t size;
    char *text = written_contents(&written, &size);
    uint32_t frames = 0;
    for (char *at = text; (at = strstr(at, ";a.py:f:")) != NULL; at++) {
        cr_assert_eq(strtoul(at + 8, NULL, 10), 1 + frames % 100);
        frames++;
    }
    cr_assert_eq(frames, depth);
    cr_assert_eq(frames, batch->node_capacity - 1);
    cr_assert_str_eq(text + size - 3, " 5\n");
    free(text);
    batch_destroy(batch);
    written_end(&written);
}
