#include <criterion/criterion.h>

#include "shim/follow.h"

Test(follow, before_it_has_begun_nothing_is_handed_on) {
    cr_assert_not(follow_exec());
}

Test(follow, a_file_is_handed_on_by_everything) {
    follow_begin("/usr/lib/echion/libechion-shim.so", false);
    cr_assert(follow_exec());
    follow_begin("/usr/lib/echion/libechion-shim.so", true);
    cr_assert(follow_exec());
}

Test(follow, a_descriptor_is_handed_on_until_the_first_python) {
    follow_begin("/proc/1234/fd/64", false);
    cr_assert(follow_exec());
    follow_begin("/proc/1234/fd/64", true);
    cr_assert_not(follow_exec());
}
