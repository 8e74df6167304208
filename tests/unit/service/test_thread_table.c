#include <criterion/criterion.h>
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
