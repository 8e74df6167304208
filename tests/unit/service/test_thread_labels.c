#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "daemon/aggregate/batch.h"
#include "daemon/service/thread_labels.h"
#include "python_child.h"

/* Does the statements that it is told. */
static const char program[] =
    "import os, sys, threading\n"
    "threads = []\n"
    "def start(name):\n"
    "    begun, end = threading.Event(), threading.Event()\n"
    "    thread = threading.Thread(target=lambda: (begun.set(), end.wait()), name=name)\n"
    "    thread.start(); begun.wait(); threads.append((thread, end))\n"
    "def stop(i):\n"
    "    thread, end = threads.pop(i); end.set(); thread.join()\n"
    "def enter(name):\n"
    "    try: import _interpreters as interpreters\n"
    "    except ImportError: import _xxsubinterpreters as interpreters\n"
    "    begun, end = os.pipe(), os.pipe()\n"
    "    text = 'import os; os.write(%d, b\".\"); os.read(%d, 1)' % (begun[1], end[0])\n"
    "    run = lambda: interpreters.run_string(interpreters.create(), text)\n"
    "    threading.Thread(target=run, name=name).start(); os.read(begun[0], 1)\n"
    "print('ready')\n"
    "for line in sys.stdin:\n"
    "    exec(line)\n"
    "    print('done')\n";

struct scene {
    const char *interpreter;
    struct python_child child;
    struct memory memory;
    struct thread_table table;
    struct thread_labels *labels;
    uint32_t nameless; /* threads, by the last update */
};

static void release(void *owner, struct thread_record *record) {
    (void)owner;
    (void)record;
}

static void begin(struct scene *scene, const char *interpreter, const char *text) {
    scene->interpreter = interpreter;
    python_child_start_as(interpreter, text, &scene->child);
    scene->memory = process_memory(&scene->child.process);
    thread_table_init(&scene->table, release, NULL);
    cr_assert_eq(thread_labels_create(&scene->child.process, &scene->labels), STATUS_OK);
}

static void end(struct scene *scene) {
    thread_labels_destroy(scene->labels);
    thread_table_deinit(&scene->table);
    python_child_end(&scene->child);
}

/* Runs `body` with every interpreter that is here. */
static void each(void (*body)(struct scene *scene)) {
    for (const char *const *at = python_child_interpreters(); *at != NULL; at++) {
        struct scene scene;
        begin(&scene, *at, program);
        body(&scene);
        end(&scene);
    }
}

static void tell(const struct scene *scene, const char *statement) {
    python_child_tell(&scene->child, statement);
}

/* How many have no name. */
static uint32_t label(struct scene *scene) {
    return thread_labels_update(scene->labels, &scene->memory, &scene->child.runtime.layout,
                                &scene->table, true);
}

/* Finds the threads and labels them. */
static void update(struct scene *scene) {
    bool changed = false;
    enum status status = STATUS_TORN;
    for (unsigned i = 0; i < 100 && status == STATUS_TORN; i++) {
        status = thread_table_scan(&scene->table, &scene->memory, &scene->child.runtime.layout,
                                   scene->child.runtime.address, 1000 + i, &changed);
    }
    cr_assert_eq(status, STATUS_OK, "%s", scene->interpreter);
    scene->nameless = label(scene);
}

/* The only thread with this label; NULL if there is none. */
static struct thread_record *labelled(const struct scene *scene, const char *text) {
    struct thread_record *found = NULL;
    for (uint32_t i = 0; i < scene->table.count; i++) {
        struct thread_record *record = scene->table.records[i];
        cr_assert_not_null(record->label, "%s", scene->interpreter);
        if (strcmp(record->label, text) == 0) {
            cr_expect_null(found, "%s: two are called %s", scene->interpreter, text);
            found = record;
        }
    }
    return found;
}

/* How many threads are called `name` with their own tid behind it. */
static unsigned shared(const struct scene *scene, const char *name) {
    unsigned count = 0;
    for (uint32_t i = 0; i < scene->table.count; i++) {
        char expected[BATCH_LABEL_MAX];
        const struct thread_record *record = scene->table.records[i];
        (void)snprintf(expected, sizeof expected, "%s-%d", name, record->tid);
        count += record->tid != 0 && strcmp(record->label, expected) == 0;
    }
    return count;
}

static void cleaned(struct scene *scene) {
    tell(scene, "start('one;two')\n");
    tell(scene, "start('two\\nlines')\n");
    tell(scene, "start('pool:1')\n");
    tell(scene, "start('dead')\n");
    tell(scene, "start('deadlock')\n");
    tell(scene, "start('\\u65e5\\u672c')\n");
    tell(scene, "start('\\U0001f40d')\n");
    tell(scene, "start('\\ud800?')\n");
    tell(scene, "start('caf\\xe9')\n");
    update(scene);
    static const char *const expected[] = {
        "MainThread", "one_two", "two_lines",        "pool:1",        "\"dead\"",
        "deadlock",   "日本",    "\xF0\x9F\x90\x8D", "\xEF\xBF\xBD?", "caf\xC3\xA9"};
    cr_expect_eq(scene->table.count, sizeof expected / sizeof *expected, "%s", scene->interpreter);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        cr_expect_not_null(labelled(scene, expected[i]), "%s: none is called %s",
                           scene->interpreter, expected[i]);
    }
}

Test(thread_labels, names_are_made_fit_for_the_formats) {
    each(cleaned);
}

static void numbered(struct scene *scene) {
    update(scene);
    cr_expect_eq(scene->table.records[0]->tid, scene->child.pid, "%s", scene->interpreter);
    for (unsigned i = 0; i < 5; i++) {
        tell(scene, "start(None)\n");
    }
    tell(scene, "for t in threading.enumerate(): t.name = 'n%d' % t.native_id\n");
    update(scene);
    cr_expect_eq(scene->table.count, 6, "%s", scene->interpreter);
    for (uint32_t i = 0; i < scene->table.count; i++) {
        char expected[32];
        const struct thread_record *record = scene->table.records[i];
        (void)snprintf(expected, sizeof expected, "n%d", record->tid);
        cr_expect_str_eq(record->label, expected, "%s", scene->interpreter);
    }
    const struct threads *threads = thread_labels_kernel_threads(scene->labels);
    cr_expect_eq(threads->count, 6, "%s", scene->interpreter);
    for (uint32_t i = 0; i < scene->table.count; i++) {
        unsigned found = 0;
        for (size_t j = 0; j < threads->count; j++) {
            found += threads->items[j].tid == scene->table.records[i]->tid;
        }
        cr_expect_eq(found, 1, "%s", scene->interpreter);
    }
}

Test(thread_labels, each_thread_is_the_kernel_thread_that_it_runs_in) {
    each(numbered);
}

static void twins(struct scene *scene) {
    tell(scene, "start('worker')\n");
    update(scene);
    cr_expect_not_null(labelled(scene, "worker"), "%s", scene->interpreter);
    tell(scene, "start('worker')\n");
    tell(scene, "start('dead')\n");
    tell(scene, "start('dead')\n");
    tell(scene, "start('single')\n");
    update(scene);
    cr_expect_eq(shared(scene, "worker"), 2, "%s", scene->interpreter);
    cr_expect_eq(shared(scene, "\"dead\""), 2, "%s", scene->interpreter);
    cr_expect_not_null(labelled(scene, "single"), "%s", scene->interpreter);
    cr_expect_not_null(labelled(scene, "MainThread"), "%s", scene->interpreter);
    tell(scene, "stop(0)\n");
    update(scene);
    cr_expect_eq(shared(scene, "worker"), 0, "%s", scene->interpreter);
    cr_expect_not_null(labelled(scene, "worker"), "%s: alone again", scene->interpreter);
    /* Names that are the same once they are clean, or cut. */
    tell(scene, "start('x;'); start('x\\n')\n");
    tell(scene, "start('x' * 2000 + 'y'); start('x' * 2000 + 'z')\n");
    update(scene);
    cr_expect_eq(shared(scene, "x_"), 2, "%s", scene->interpreter);
    unsigned long_ones = 0;
    for (uint32_t i = 0; i < scene->table.count; i++) {
        const struct thread_record *record = scene->table.records[i];
        char end_of_it[32];
        size_t size = strlen(record->label);
        size_t behind = (size_t)snprintf(end_of_it, sizeof end_of_it, "x-%d", record->tid);
        cr_expect_lt(size, BATCH_LABEL_MAX, "%s", scene->interpreter);
        if (size > 100) {
            long_ones++;
            cr_expect_str_eq(record->label + size - behind, end_of_it, "%s", scene->interpreter);
        }
    }
    cr_expect_eq(long_ones, 2, "%s", scene->interpreter);
}

Test(thread_labels, a_name_that_two_carry_gets_their_tids) {
    each(twins);
}

static void renamed(struct scene *scene) {
    tell(scene, "start('before'); start('always')\n");
    update(scene);
    struct thread_record *record = labelled(scene, "before");
    struct thread_record *other = labelled(scene, "always");
    cr_assert(record != NULL && other != NULL, "%s", scene->interpreter);
    cr_expect_eq(record->batch_thread, BATCH_FULL, "%s", scene->interpreter);
    record->batch_thread = 3;
    other->batch_thread = 4;
    update(scene);
    cr_expect_eq(record->batch_thread, 3, "%s: nothing is new", scene->interpreter);
    tell(scene, "threads[0][0].name = 'after'\n");
    update(scene);
    cr_expect_eq(labelled(scene, "after"), record, "%s", scene->interpreter);
    cr_expect_eq(record->batch_thread, BATCH_FULL, "%s", scene->interpreter);
    cr_expect_eq(other->batch_thread, 4, "%s", scene->interpreter);
    cr_expect_eq(labelled(scene, "always"), other, "%s", scene->interpreter);
}

Test(thread_labels, a_new_name_is_to_be_registered_anew) {
    each(renamed);
}

static void late(struct scene *scene) {
    update(scene);
    tell(scene, "start('first')\n");
    tell(scene, "threads[0][0].name = ''\n");
    update(scene);
    cr_assert_eq(scene->table.count, 2, "%s", scene->interpreter);
    struct thread_record *record = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        record = scene->table.records[i]->named ? record : scene->table.records[i];
    }
    cr_assert_not_null(record, "%s", scene->interpreter);
    record->batch_thread = 3;
    record->late = false;
    tell(scene, "threads[0][0].name = 'late'; start('newest')\n");
    bool changed = false;
    cr_assert_eq(thread_table_scan(&scene->table, &scene->memory, &scene->child.runtime.layout,
                                   scene->child.runtime.address, 9, &changed),
                 STATUS_OK, "%s", scene->interpreter);
    thread_labels_begin(scene->labels, &scene->table);
    cr_expect_eq(thread_labels_update(scene->labels, &scene->memory, &scene->child.runtime.layout,
                                      &scene->table, false),
                 0, "%s", scene->interpreter);
    cr_expect_eq(labelled(scene, "late"), record, "%s", scene->interpreter);
    cr_expect(record->late && record->named, "%s", scene->interpreter);
    cr_expect_eq(record->batch_thread, 3, "%s: its samples are its own", scene->interpreter);
    cr_expect_not_null(labelled(scene, "newest"), "%s", scene->interpreter);
    cr_expect_not_null(labelled(scene, "MainThread"), "%s", scene->interpreter);
}

Test(thread_labels, a_name_that_is_found_late_is_for_what_there_is) {
    each(late);
}

static void nameless(struct scene *scene) {
    tell(scene, "start('x'); start('y'); threads[0][0].name = ''\n");
    update(scene);
    cr_expect_eq(scene->nameless, 1, "%s", scene->interpreter);
    cr_expect_not_null(labelled(scene, "MainThread"), "%s", scene->interpreter);
    for (uint32_t i = 0; i < scene->table.count; i++) {
        const struct thread_record *record = scene->table.records[i];
        char expected[32];
        (void)snprintf(expected, sizeof expected, "%d", record->tid);
        if (record->tid != scene->child.pid && strcmp(record->label, "y") != 0) {
            cr_expect_str_eq(record->label, expected, "%s", scene->interpreter);
        }
    }
}

Test(thread_labels, where_there_is_no_name_the_tid_is_shown) {
    each(nameless);
}

/* Its threads are none that `threading` knows, which it never imports. */
static const char bare_program[] =
    "import _thread, sys\n"
    "def body(begun, end):\n"
    "    begun.release(); end.acquire()\n"
    "for i in range(2):\n"
    "    begun, end = _thread.allocate_lock(), _thread.allocate_lock()\n"
    "    begun.acquire(); end.acquire()\n"
    "    _thread.start_new_thread(body, (begun, end)); begun.acquire()\n"
    "assert 'threading' not in sys.modules\n"
    "print('ready')\n"
    "sys.stdin.read()\n";

Test(thread_labels, of_a_program_without_threading) {
    for (const char *const *at = python_child_interpreters(); *at != NULL; at++) {
        struct scene scene;
        begin(&scene, *at, bare_program);
        update(&scene);
        cr_expect_eq(scene.table.count, 3, "%s", *at);
        unsigned tids = 0;
        for (uint32_t i = 0; i < scene.table.count; i++) {
            char expected[32];
            const struct thread_record *record = scene.table.records[i];
            (void)snprintf(expected, sizeof expected, "%d", record->tid);
            cr_expect_neq(record->tid, 0, "%s", *at);
            tids += strcmp(record->label, expected) == 0;
        }
        const struct thread_record *first = labelled(&scene, "MainThread");
        cr_assert_not_null(first, "%s", *at);
        cr_expect_eq(first->tid, scene.child.pid, "%s", *at);
        cr_expect_eq(tids, 2, "%s", *at);
        end(&scene);
    }
}

static void inside(struct scene *scene) {
    tell(scene, "enter('runner')\n");
    update(scene);
    cr_expect_eq(scene->table.count, 3, "%s", scene->interpreter);
    unsigned inner = 0;
    for (uint32_t i = 0; i < scene->table.count; i++) {
        const struct thread_record *record = scene->table.records[i];
        cr_expect_neq(record->tid, 0, "%s", scene->interpreter);
        if (record->interpreter_id != 0) {
            cr_expect_eq(strncmp(record->label, "runner", strlen("runner")), 0, "%s: %s",
                         scene->interpreter, record->label);
            inner++;
        }
    }
    cr_expect_eq(inner, 1, "%s", scene->interpreter);
}

Test(thread_labels, a_thread_inside_another_interpreter_keeps_its_name) {
    each(inside);
}

static void blanks(struct scene *scene) {
    tell(scene, "start(' '); start(' ')\n");
    update(scene);
    for (uint32_t i = 0; i < scene->table.count; i++) {
        cr_expect_neq(scene->table.records[i]->label[0], ' ', "%s: [%s]", scene->interpreter,
                      scene->table.records[i]->label);
    }
}

Test(thread_labels, blanks_with_a_tid_behind_them_do_not_read_as_a_number) {
    each(blanks);
}

static void ended(struct scene *scene) {
    tell(scene, "start('one'); start('two'); start('two')\n");
    update(scene);
    struct thread_record *record = labelled(scene, "one");
    cr_assert_not_null(record, "%s", scene->interpreter);
    record->batch_thread = 3;
    const struct memory gone = {.pid = 0x3ffffff, .word_size = scene->memory.word_size};
    thread_labels_update(scene->labels, &gone, &scene->child.runtime.layout, &scene->table, true);
    cr_expect_eq(labelled(scene, "one"), record, "%s", scene->interpreter);
    cr_expect_eq(record->batch_thread, 3, "%s", scene->interpreter);
    cr_expect_eq(shared(scene, "two"), 2, "%s", scene->interpreter);
}

Test(thread_labels, what_cannot_be_read_leaves_labels_as_they_are) {
    each(ended);
}
