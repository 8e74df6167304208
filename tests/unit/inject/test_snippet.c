#include "daemon/inject/snippet.h"

#include <string.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(snippet, names_the_pid_and_the_library) {
    struct snippet snippet;
    cr_assert(eq(int, snippet_make("/opt/a.so", 42, &snippet, NULL), STATUS_OK));
    cr_expect(eq(sz, snippet.length, strlen(snippet.text)));
    cr_expect(eq(chr, snippet.text[0], SNIPPET_ON));
    cr_expect(ne(ptr, strstr(snippet.text, "getpid()==42 "), NULL));
    cr_expect(ne(ptr, strstr(snippet.text, "origin='/opt/a.so')"), NULL));
}

Test(snippet, of_a_hook_removes_itself_first_and_can_be_switched_off) {
    struct snippet snippet;
    size_t off = 0;
    cr_assert(eq(int, snippet_make_hook("/opt/1.so", 11, &snippet, &off, NULL), STATUS_OK));
    cr_expect(eq(int, strncmp(snippet.text, "9\ntry:", 6), 0));
    cr_expect(lt(ptr, strstr(snippet.text, "m('sys').setprofile(None)"),
                 strstr(snippet.text, "getpid()==11*1 and ")));
    cr_expect(eq(ptr, snippet.text + off, strstr(snippet.text, "*1 and ") + 1));
    cr_expect(eq(chr, snippet.text[off], SNIPPET_HOOK_ON));
}

Test(snippet, is_small) {
    /* The least room that is believed to be enough: snippet_area.c. */
    struct snippet snippet;
    cr_assert(eq(int,
                 snippet_make("/usr/lib/x86_64-linux-gnu/echion/shim.so", 1 << 22, &snippet, NULL),
                 STATUS_OK));
    cr_expect(lt(sz, snippet.length, 256));
}

Test(snippet, writes_no_byte_of_the_path_that_python_could_read_otherwise) {
    struct snippet snippet;
    cr_assert(eq(int, snippet_make("/a'\\\n\"b", 1, &snippet, NULL), STATUS_OK));
    cr_expect(ne(ptr, strstr(snippet.text, "origin='/a\\x27\\x5c\\x0a\\x22b')"), NULL), "%s",
              snippet.text);
    cr_assert(eq(int, snippet_make("/\xc3\xa9'", 1, &snippet, NULL), STATUS_OK));
    cr_expect(
        ne(ptr,
           strstr(snippet.text, "origin=b'/\\xc3\\xa9\\x27'.decode('utf-8','surrogateescape'))"),
           NULL),
        "%s", snippet.text);
}

Test(snippet, has_room_for_the_longest_path) {
    struct snippet snippet;
    char path[SNIPPET_LIBRARY_MAX + 1] = "/";
    memset(path + 1, '\xff', SNIPPET_LIBRARY_MAX - 2);
    path[SNIPPET_LIBRARY_MAX - 1] = '\0';
    cr_assert(eq(int, snippet_make(path, 1 << 22, &snippet, NULL), STATUS_OK));
    cr_expect(eq(sz, snippet.length, strlen(snippet.text)));
    cr_expect(eq(str, snippet.text + snippet.length - 5, "pass\n"));
    path[SNIPPET_LIBRARY_MAX - 1] = 'x';
    path[SNIPPET_LIBRARY_MAX] = '\0';
    cr_expect(eq(int, snippet_make(path, 1, &snippet, NULL), STATUS_UNSUPPORTED));
}

Test(snippet, wants_an_absolute_path) {
    struct snippet snippet;
    cr_expect(eq(int, snippet_make("a.so", 1, &snippet, NULL), STATUS_UNSUPPORTED));
    cr_expect(eq(int, snippet_make("", 1, &snippet, NULL), STATUS_UNSUPPORTED));
}
