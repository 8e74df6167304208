#include "daemon/python/value_layout.h"

#include <criterion/criterion.h>

Test(value_layout, there_is_a_row_for_every_layout) {
    for (unsigned minor = 8; minor <= 15; minor++) {
        for (unsigned word = 4; word <= 8; word += 4) {
            const struct py_layout *layout = layout_find(3, minor, word);
            cr_assert_not_null(layout);
            const struct value_layout *values = value_layout_find(layout);
            cr_assert_not_null(values, "3.%u, %u", minor, word);
            cr_expect_eq(values->real, layout->object.size);
            cr_expect_eq(values->cell, layout->object.size);
            cr_expect_eq(values->list.size, layout->object.size);
            cr_expect_eq(values->tuple.items, layout->object.size + (minor < 14 ? 1 : 2) * word);
            cr_expect_eq(values->code.cells == LAYOUT_ABSENT, minor >= 11);
        }
    }
}

Test(value_layout, nothing_for_what_is_not_known) {
    struct py_layout layout = *layout_find(3, 15, 8);
    layout.minor = 7;
    cr_expect_null(value_layout_find(&layout));
}
