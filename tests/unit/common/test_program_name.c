#include <criterion/criterion.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/program_name.h"
#include "made_program.h"

TestSuite(program_name, .fini = made_remove);

static void set_path(const char *path) {
    cr_assert_eq(path == NULL ? unsetenv("PATH") : setenv("PATH", path, 1), 0);
}

Test(program_name, is_looked_for_in_path) {
    const enum program_loader shell = program_file_loader(AT_FDCWD, "/bin/sh");
    set_path("/no/such:/bin");
    cr_assert_eq(program_name_loader("sh"), shell);
    set_path("/no/such");
    cr_assert_eq(program_name_loader("sh"), PROGRAM_OTHER);
    cr_assert_eq(program_name_loader("/bin/sh"), shell, "not by a path");
    set_path(NULL);
    cr_assert_eq(program_name_loader("sh"), shell, "there is a default");
    cr_assert_eq(program_name_loader(""), PROGRAM_OTHER);
}

Test(program_name, the_first_that_can_be_executed_is_taken) {
    char path[300], text[300];
    (void)snprintf(path, sizeof path, "%s", made_script("plain text"));
    (void)snprintf(text, sizeof text, "%s", path);
    const char *folder = dirname(text);
    const char *name = strrchr(path, '/') + 1;
    char paths[700];
    (void)snprintf(paths, sizeof paths, "%s:/bin", folder);
    set_path(paths);
    cr_assert_eq(program_name_loader(name), PROGRAM_TEXT);
    cr_assert_eq(chmod(path, 0644), 0);
    cr_assert_eq(program_name_loader(name), PROGRAM_OTHER, "it is passed over");
}

Test(program_name, empty_parts_are_the_current_folder) {
    const enum program_loader shell = program_file_loader(AT_FDCWD, "/bin/sh");
    static const char *const paths[] = {"", ":/no", "/no:", "/no::/such"};
    cr_assert_eq(chdir("/bin"), 0);
    for (unsigned i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        set_path(paths[i]);
        cr_assert_eq(program_name_loader("sh"), shell, "'%s'", paths[i]);
    }
    cr_assert_eq(chdir("/"), 0);
    set_path("");
    cr_assert_eq(program_name_loader("sh"), PROGRAM_OTHER);
}

Test(program_name, too_long_ones) {
    char *paths = malloc(10000);
    memset(paths, 'x', 9990);
    memcpy(paths + 9990, ":/bin", 6);
    set_path(paths);
    cr_assert_eq(program_name_loader("sh"), program_file_loader(AT_FDCWD, "/bin/sh"));
    paths[9990] = '\0';
    cr_assert_eq(program_name_loader(paths), PROGRAM_OTHER);
    free(paths);
}
