#include <criterion/criterion.h>
#include <dlfcn.h>

#include "shim/symbols.h"

static const char *const names[] = {"execve",
                                    "posix_spawn",
                                    "execvpe",
                                    "dl_iterate_phdr",
                                    "malloc",
                                    "environ",
                                    "cr_log_assert",
                                    "__errno_location",
                                    "printf",
                                    "sys_errlist",
                                    "_dl_find_dso_for_object"};

Test(symbols, are_those_that_dlsym_finds) {
    unsigned found = 0;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        cr_assert_eq(symbols_find(names[i]), dlsym(RTLD_DEFAULT, names[i]), "%s", names[i]);
        found += symbols_find(names[i]) != NULL;
    }
    cr_assert_geq(found, 6);
}

Test(symbols, next_ones_lie_behind_our_own_object) {
    cr_assert_eq(symbols_find_next("execve"), dlsym(RTLD_NEXT, "execve"));
    cr_assert_eq(symbols_find_next("posix_spawn"), dlsym(RTLD_NEXT, "posix_spawn"));
    cr_assert_null(symbols_find_next("no_such_symbol"));
}

Test(symbols, that_are_nowhere) {
    cr_assert_null(symbols_find("PySys_AddAuditHook"));
    cr_assert_null(symbols_find("no_such_symbol"));
    cr_assert_null(symbols_find(""));
}

Test(symbols, own_path) {
    char path[256];
    cr_assert(symbols_own_path(path, sizeof path));
    cr_assert_str_eq(path, "", "so the loader calls the program itself");
    cr_assert_not(symbols_own_path(path, 0));
}
