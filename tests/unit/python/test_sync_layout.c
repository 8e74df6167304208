#include "daemon/python/sync_layout.h"

#include <criterion/criterion.h>

Test(sync_layout, there_is_a_row_for_every_layout) {
    for (unsigned minor = 8; minor <= 15; minor++) {
        for (unsigned word = 4; word <= 8; word += 4) {
            const struct py_layout *layout = layout_find(3, minor, word);
            cr_assert_not_null(layout);
            const struct sync_layout *sync = sync_layout_find(layout);
            cr_assert_not_null(sync, "3.%u, %u", minor, word);
            cr_expect_eq(sync->lock.lock, layout->object.size);
            /* Either the runtime has the one GIL, or each interpreter says which is its own. */
            cr_expect_eq(sync->runtime.gil == LAYOUT_ABSENT, minor >= 12);
            cr_expect_eq(sync->interpreter.gil == LAYOUT_ABSENT, minor < 12);
            cr_expect_eq(sync->thread.status == LAYOUT_ABSENT, minor < 12);
            cr_expect(minor < 12 || sync->thread.status + 4 <= layout->thread.size);
            cr_expect_eq(sync->frame.blockstack == LAYOUT_ABSENT, minor >= 11);
            cr_expect_eq(sync->code.exceptiontable == LAYOUT_ABSENT, minor < 11);
        }
    }
}

Test(sync_layout, nothing_for_what_is_not_known) {
    struct py_layout layout = *layout_find(3, 15, 8);
    layout.minor = 16;
    cr_expect_null(sync_layout_find(&layout));
}
