#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "daemon/service/thread_table.h"
#include "python_child.h"

/* A thread more or one less, as it is told. */
static const char threads_program[] =
    "import sys, threading\n"
    "ends = []\n"
    "print('ready')\n"
    "for line in sys.stdin:\n"
    "    if line == 'more\\n':\n"
    "        end, begun = threading.Event(), threading.Event()\n"
    "        thread = threading.Thread(target=lambda: (begun.set(), end.wait()))\n"
    "        thread.start(); begun.wait(); ends.append((end, thread))\n"
    "    else:\n"
    "        end, thread = ends.pop(0); end.set(); thread.join()\n"
    "    print('done')\n";

static unsigned released;

static void release(void *owner, struct thread_record *record) {
    cr_expect_eq(owner, &released);
    cr_expect_neq(record->state, 0);
    released++;
}

/* What is there, until the lists hold still. */
static bool scan(const struct python_child *child, struct thread_table *table) {
    const struct memory memory = process_memory(&child->process);
    bool changed = false;
    enum status status = STATUS_TORN;
    for (unsigned i = 0; i < 100 && status == STATUS_TORN; i++) {
        status = thread_table_scan(table, &memory, &child->runtime.layout, child->runtime.address,
                                   1000 + i, &changed);
    }
    cr_assert_eq(status, STATUS_OK);
    return changed;
}

Test(thread_table, follows_threads_that_come_and_go) {
    struct python_child child;
    struct thread_table table;
    python_child_start(threads_program, &child);
    thread_table_init(&table, release, &released);
    cr_expect(scan(&child, &table));
    cr_assert_eq(table.count, 1);
    uint64_t main_state = table.records[0]->state;
    cr_expect_eq(table.records[0]->interpreter_id, 0);
    cr_expect_not(scan(&child, &table), "nothing came or went");

    python_child_tell(&child, "more\n");
    python_child_tell(&child, "more\n");
    cr_expect(scan(&child, &table));
    cr_assert_eq(table.count, 3);
    cr_expect_eq(table.found, 3);
    cr_expect_eq(released, 0);
    const struct thread_record *kept = NULL;
    for (uint32_t i = 0; i < 3; i++) {
        kept = table.records[i]->state == main_state ? table.records[i] : kept;
    }
    cr_assert_not_null(kept);

    python_child_tell(&child, "less\n");
    python_child_tell(&child, "less\n");
    cr_expect(scan(&child, &table));
    cr_assert_eq(table.count, 1);
    cr_expect_eq(released, 2);
    cr_expect_eq(table.records[0], kept, "the same record, with all that is remembered of it");

    python_child_tell(&child, "more\n");
    cr_expect(scan(&child, &table));
    cr_expect_eq(table.found, 4, "a thread state at a used address is another thread");
    thread_table_deinit(&table);
    cr_expect_eq(released, 4);
    python_child_end(&child);
}

/* Whether the lists have changed, as pictures of the thread states tell: one for each list. */
static bool has_changed(const struct python_child *child, struct thread_table *table) {
    const struct memory memory = process_memory(&child->process);
    const struct py_layout *layout = &child->runtime.layout;
    struct picture *picture = NULL;
    bool changed = false;
    cr_assert_eq(picture_create(64, 1 << 16, &picture), STATUS_OK);
    for (uint32_t i = 0; i <= table->interpreter_count; i++) {
        picture_begin(picture);
        for (uint32_t j = 0; j < table->count; j++) {
            struct thread_record *record = table->records[j];
            record->first_span =
                picture_add(picture, raddr_make(record->state), layout->thread.size);
        }
        thread_table_watch(table, layout, child->runtime.address, picture);
        cr_expect_eq(picture->count, table->count + 1, "one head at a time");
        cr_assert_eq(picture_take(picture, 0, &memory), STATUS_OK);
        changed = changed || thread_table_has_changed(table, layout, picture, true);
    }
    picture_destroy(picture);
    return changed;
}

Test(thread_table, a_picture_tells_that_lists_have_changed) {
    struct python_child child;
    struct thread_table table;
    python_child_start(threads_program, &child);
    thread_table_init(&table, release, &released);
    cr_expect(scan(&child, &table));
    cr_expect_not(has_changed(&child, &table));
    python_child_tell(&child, "more\n");
    cr_expect(has_changed(&child, &table), "a thread came");
    python_child_tell(&child, "more\n");
    python_child_tell(&child, "more\n");
    cr_expect(scan(&child, &table));
    cr_expect_not(has_changed(&child, &table));
    python_child_tell(&child, "less\n");
    cr_expect(has_changed(&child, &table), "one ended in the middle of the list");
    cr_expect(scan(&child, &table));
    python_child_tell(&child, "less\n");
    python_child_tell(&child, "more\n");
    cr_expect(has_changed(&child, &table), "one ended and another one came");
    cr_expect(scan(&child, &table));
    cr_expect_not(has_changed(&child, &table));
    thread_table_deinit(&table);
    python_child_end(&child);
}

Test(thread_table, a_picture_tells_that_an_interpreter_came_or_went) {
    struct python_child child;
    struct thread_table table;
    python_child_start("import sys\n"
                       "try: import _interpreters as interpreters\n"
                       "except ImportError: import _xxsubinterpreters as interpreters\n"
                       "print('ready')\n"
                       "for line in sys.stdin:\n"
                       "    if line == 'more\\n': other = interpreters.create()\n"
                       "    else: interpreters.destroy(other)\n"
                       "    print('done')\n",
                       &child);
    thread_table_init(&table, release, &released);
    cr_expect(scan(&child, &table));
    cr_expect_not(has_changed(&child, &table));
    cr_expect_eq(table.interpreter_count, 1);
    python_child_tell(&child, "more\n");
    cr_expect(has_changed(&child, &table));
    cr_expect(scan(&child, &table));
    cr_expect_eq(table.interpreter_count, 2);
    cr_expect_not(has_changed(&child, &table));
    python_child_tell(&child, "less\n");
    cr_expect(has_changed(&child, &table));
    thread_table_deinit(&table);
    python_child_end(&child);
}

/* Each thread state as an array of words: prev, next, interp, id, thread_id, native_thread_id. */
Test(thread_table, a_picture_of_states_that_are_others_by_now) {
    const struct py_layout layout = {
        .word_size = 8,
        .thread = {.prev = 0,
                   .next = 8,
                   .interp = 16,
                   .id = 24,
                   .thread_id = 32,
                   .native_thread_id = 40,
                   .size = 48},
        .interpreter = {.threads_head = 0},
    };
    const struct memory memory = {.pid = getpid(), .word_size = 8};
    uint64_t interpreters[2] = {0};
    uint64_t states[3][6] = {{0}};
    uint64_t head = (uintptr_t)&interpreters[0];
    struct thread_record records[3];
    struct thread_record *pointers[3];
    struct interpreter_record interpreter_records[2];
    struct picture *picture = NULL;
    cr_assert_eq(picture_create(8, 4096, &picture), STATUS_OK);
    for (unsigned i = 0; i < 3; i++) { /* two of the first interpreter, one of the second */
        uint64_t prev = i == 1 ? (uintptr_t)states[0] : 0;
        uint64_t next = i == 0 ? (uintptr_t)states[1] : 0;
        uint64_t interpreter = (uintptr_t)&interpreters[i / 2];
        memcpy(states[i], (uint64_t[]){prev, next, interpreter, 100 + i, 200 + i, 300 + i},
               sizeof states[i]);
        records[i] = (struct thread_record){.state = (uintptr_t)states[i],
                                            .state_id = 100 + i,
                                            .interpreter = interpreter,
                                            .pthread = 200 + i,
                                            .native = 300 + i};
        records[i].first_span = picture_add(picture, raddr_make(records[i].state), 48);
        pointers[i] = &records[i];
    }
    for (unsigned i = 0; i < 2; i++) {
        interpreters[i] = (uintptr_t)states[2 * i];
        interpreter_records[i] = (struct interpreter_record){.address = (uintptr_t)&interpreters[i],
                                                             .threads_head = interpreters[i]};
    }
    struct thread_table table = {.records = pointers,
                                 .count = 3,
                                 .interpreters = interpreter_records,
                                 .interpreter_count = 2};
    thread_table_watch(&table, &layout, raddr_make((uintptr_t)&head), picture);
    cr_assert_eq(picture_take(picture, 0, &memory), STATUS_OK);
    cr_expect_not(thread_table_has_changed(&table, &layout, picture, true));
    for (unsigned i = 0; i < 18; i++) {
        states[i / 6][i % 6] ^= 8;
        cr_assert_eq(picture_take(picture, 0, &memory), STATUS_OK);
        cr_expect(thread_table_has_changed(&table, &layout, picture, true), "word %u", i);
        states[i / 6][i % 6] ^= 8;
    }
    records[1].first_span = PICTURE_FULL;
    states[1][0] = 0;
    cr_assert_eq(picture_take(picture, 0, &memory), STATUS_OK);
    cr_expect_not(thread_table_has_changed(&table, &layout, picture, true),
                  "it is not in the picture");
    picture_destroy(picture);
}

/* In our own memory: a runtime with one interpreter with one thread state. */
Test(thread_table, a_state_that_has_its_makers_ids_until_its_own_thread_runs) {
    const struct memory memory = {.pid = getpid(), .word_size = 8};
    struct {
        uint64_t interpreters_head;
        uint64_t next, threads_head, id;
        uint64_t state[6]; /* as above */
    } target = {.id = 0, .state = {[3] = 7, [4] = 200, [5] = 300}};
    const struct py_layout layout = {
        .word_size = 8,
        .runtime = {.interpreters_head = 0},
        .interpreter = {.next = 0, .threads_head = 8, .id = 16},
        .thread = {.prev = 0,
                   .next = 8,
                   .interp = 16,
                   .id = 24,
                   .thread_id = 32,
                   .native_thread_id = 40,
                   .size = 48},
    };
    const struct raddr runtime = raddr_make((uintptr_t)&target);
    struct thread_table table;
    bool changed = false;
    target.interpreters_head = target.state[2] = (uintptr_t)&target.next;
    target.threads_head = (uintptr_t)target.state;
    thread_table_init(&table, release, &released);
    cr_assert_eq(thread_table_scan(&table, &memory, &layout, runtime, 1, &changed), STATUS_OK);
    cr_assert_eq(table.count, 1);
    struct thread_record *record = table.records[0];
    record->tid = 300;

    cr_assert_eq(thread_table_scan(&table, &memory, &layout, runtime, 2, &changed), STATUS_OK);
    cr_expect_not(changed);
    cr_expect_eq(record->tid, 300);
    cr_expect_eq(released, 0);

    record->label = strdup("its maker's");
    record->named = true;
    cr_expect(record->bound, "no other one has its ids");
    cr_expect(thread_record_is_same(record, &layout, (const uint8_t *)target.state));
    target.state[5] = 301;
    cr_expect_not(thread_record_is_same(record, &layout, (const uint8_t *)target.state));
    cr_assert_eq(thread_table_scan(&table, &memory, &layout, runtime, 3, &changed), STATUS_OK);
    cr_expect(changed);
    cr_expect_null(record->label);
    cr_expect_not(record->named);
    cr_assert_eq(table.records[0], record);
    cr_expect_eq(record->native, 301);
    cr_expect_eq(record->tid, 0, "not known any more");
    cr_expect_eq(released, 1, "what was attached to it was another thread's");
    cr_expect_eq(table.found, 1, "it is the same thread of the program's");
    thread_table_deinit(&table);
}

/* The same with two: the first in the list is the newer one. */
Test(thread_table, a_state_whose_thread_does_not_run_yet_is_not_bound) {
    const struct memory memory = {.pid = getpid(), .word_size = 8};
    struct {
        uint64_t interpreters_head;
        uint64_t next, threads_head, id;
        uint64_t states[2][6];
    } target = {.states = {{[3] = 8, [4] = 200, [5] = 300}, {[3] = 7, [4] = 200, [5] = 300}}};
    struct py_layout layout = {
        .word_size = 8,
        .interpreter = {.next = 0, .threads_head = 8, .id = 16},
        .thread = {.prev = 0,
                   .next = 8,
                   .interp = 16,
                   .id = 24,
                   .thread_id = 32,
                   .native_thread_id = 40,
                   .size = 48},
    };
    const struct raddr runtime = raddr_make((uintptr_t)&target);
    struct thread_table table;
    bool changed = false;
    target.interpreters_head = (uintptr_t)&target.next;
    target.threads_head = (uintptr_t)target.states[0];
    target.states[0][1] = (uintptr_t)target.states[1];
    target.states[1][0] = (uintptr_t)target.states[0];
    target.states[0][2] = target.states[1][2] = (uintptr_t)&target.next;
    const struct {
        uint64_t pthread, native;
        bool has_native, bound;
    } cases[] = {
        {200, 300, true, false}, /* its maker's ids */
        {0, 0, true, false},      {201, 301, true, true},  {200, 301, true, true},
        {200, 301, false, false}, {201, 300, true, false}, {201, 0, true, false},
        {201, 301, false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        target.states[0][4] = cases[i].pthread;
        target.states[0][5] = cases[i].native;
        layout.thread.native_thread_id = cases[i].has_native ? 40 : LAYOUT_ABSENT;
        thread_table_init(&table, release, &released);
        cr_assert_eq(thread_table_scan(&table, &memory, &layout, runtime, 1, &changed), STATUS_OK);
        cr_assert_eq(table.count, 2);
        cr_expect_eq(table.records[0]->bound, cases[i].bound, "case %zu", i);
        cr_expect(table.records[1]->bound, "case %zu: the maker is", i);
        target.states[0][4] = 999; /* it begins to run */
        target.states[0][5] = 998;
        cr_assert_eq(thread_table_scan(&table, &memory, &layout, runtime, 1, &changed), STATUS_OK);
        cr_expect(table.records[0]->bound, "case %zu", i);
        thread_table_deinit(&table);
    }
}

Test(thread_table, of_a_process_that_is_gone) {
    struct python_child child;
    struct thread_table table;
    python_child_start(threads_program, &child);
    thread_table_init(&table, release, &released);
    cr_expect(scan(&child, &table));
    const struct memory memory = process_memory(&child.process);
    python_child_end(&child);
    bool changed = false;
    cr_expect_eq(thread_table_scan(&table, &memory, &child.runtime.layout, child.runtime.address, 5,
                                   &changed),
                 STATUS_GONE);
    cr_expect_eq(table.count, 1, "unchanged");
    thread_table_deinit(&table);
}
