#include "daemon/inject/script.h"

#include <string.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(script, names_the_pid_and_the_library) {
    struct script script;
    cr_assert(eq(int, script_make("/opt/a.so", "lib", 42, &script, NULL), STATUS_OK));
    cr_expect(eq(sz, script.length, strlen(script.text)));
    cr_expect(ne(ptr, strstr(script.text, "posix.getpid()==42:"), NULL));
    cr_expect(ne(ptr, strstr(script.text, "p=b'/opt/a.so'"), NULL));
}

Test(script, writes_no_byte_of_the_path_that_python_could_read_otherwise) {
    struct script script;
    cr_assert(eq(int, script_make("/a'\\\n\xff\"b", "x'", 1, &script, NULL), STATUS_OK));
    cr_expect(ne(ptr, strstr(script.text, "b'/a\\x27\\x5c\\x0a\\xff\\x22b'"), NULL), "%s",
              script.text);
}

Test(script, has_room_for_the_longest_path) {
    struct script script;
    char path[SCRIPT_LIBRARY_MAX + 1] = "/";
    memset(path + 1, '\n', SCRIPT_LIBRARY_MAX - 2);
    path[SCRIPT_LIBRARY_MAX - 1] = '\0';
    cr_assert(eq(int,
                 script_make(path, "12345678901234567890123456789\n\n", 1 << 22, &script, NULL),
                 STATUS_OK));
    cr_expect(eq(sz, script.length, strlen(script.text)));
    cr_expect(eq(str, script.text + script.length - 5, "pass\n"));
    path[SCRIPT_LIBRARY_MAX - 1] = 'x';
    path[SCRIPT_LIBRARY_MAX] = '\0';
    cr_expect(eq(int, script_make(path, "lib", 1, &script, NULL), STATUS_UNSUPPORTED));
}

Test(script, wants_an_absolute_path) {
    struct script script;
    cr_expect(eq(int, script_make("a.so", "lib", 1, &script, NULL), STATUS_UNSUPPORTED));
    cr_expect(eq(int, script_make("", "lib", 1, &script, NULL), STATUS_UNSUPPORTED));
}
