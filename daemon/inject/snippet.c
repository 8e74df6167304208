#include "daemon/inject/snippet.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/inject/script.h"

/* Bytes that stand for themselves in a literal. */
static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+";

/* The text, between `head` and the number of the process. */
static enum status text_make(const char *head, const char *factor, const char *library,
                             pid_t own_pid, struct snippet *out, struct error *error) {
    size_t length = strlen(library);
    if (library[0] != '/' || length >= SNIPPET_LIBRARY_MAX) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "the library's path must be absolute and shorter than %d bytes",
                         SNIPPET_LIBRARY_MAX);
    }
    char quoted[SNIPPET_LIBRARY_MAX * 4 + 1];
    char *end = quoted;
    bool ascii = true;
    for (size_t i = 0; i < length; ++i) {
        unsigned byte = (unsigned char)library[i];
        ascii = ascii && byte < 0x80;
        if (strchr(plain, (int)byte) != NULL) {
            *end++ = (char)byte;
        } else {
            end += sprintf(end, "\\x%02x", byte);
        }
    }
    *end = '\0';
    /* sys.implementation is a SimpleNamespace, which serves as the spec: create_dynamic asks only
     * for its name and origin (Python/import.c, _imp_create_dynamic_impl, 3.8 to 3.12;
     * _Py_ext_module_loader_info_init_from_spec, 3.13). In __main__, __builtins__ is the module
     * (Python/pylifecycle.c, add_main_module). */
    int size =
        snprintf(out->text, sizeof out->text,
                 "%sm('posix').getpid()==%d%s and m('_imp').create_dynamic("
                 "m('sys').implementation.__class__(name='" SCRIPT_MODULE "',origin=%s'%s'%s)))"
                 "((lambda:0).__globals__['__builtins__'].__import__)\nexcept:pass\n",
                 head, (int)own_pid, factor, ascii ? "" : "b", quoted,
                 ascii ? "" : ".decode('utf-8','surrogateescape')");
    out->length = (size_t)size; /* SNIPPET_MAX has room for the longest path */
    return STATUS_OK;
}

enum status snippet_make(const char *library, pid_t own_pid, struct snippet *out,
                         struct error *error) {
    return text_make("\ntry:(lambda m:", "", library, own_pid, out, error);
}

enum status snippet_make_hook(const char *library, pid_t own_pid, struct snippet *out, size_t *off,
                              struct error *error) {
    enum status status = text_make("9\ntry:(lambda m:m('sys').setprofile(None)or ", "*1", library,
                                   own_pid, out, error);
    if (status == STATUS_OK) {
        *off = (size_t)(strstr(out->text, "*1 and ") - out->text) + 1;
    }
    return status;
}
