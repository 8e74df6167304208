#include "daemon/inject/snippet.h"

#include <stdio.h>
#include <string.h>

#include "daemon/inject/script.h"

/* Bytes that stand for themselves in a string literal. */
static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+";

/* A byte above 127 becomes the surrogate that the file system's encoding turns into that byte again
 * (PEP 383), whichever encoding this is. */
static char *byte_quote(char *out, unsigned byte) {
    if (byte >= 0x80) {
        return out + sprintf(out, "\\udc%02x", byte);
    }
    if (strchr(plain, (int)byte) == NULL) {
        return out + sprintf(out, "\\x%02x", byte);
    }
    *out = (char)byte;
    return out + 1;
}

enum status snippet_make(const char *library, pid_t own_pid, struct snippet *out,
                         struct error *error) {
    size_t length = strlen(library);
    if (library[0] != '/' || length >= SNIPPET_LIBRARY_MAX) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "the library's path must be absolute and shorter than %d bytes",
                         SNIPPET_LIBRARY_MAX);
    }
    char quoted[SNIPPET_LIBRARY_MAX * 6 + 1];
    char *end = quoted;
    for (size_t i = 0; i < length; ++i) {
        end = byte_quote(end, (unsigned char)library[i]);
    }
    *end = '\0';
    /* sys.implementation is a SimpleNamespace, which serves as the spec: create_dynamic asks only
     * for its name and origin (Python/import.c, _imp_create_dynamic_impl, 3.8 to 3.12;
     * _Py_ext_module_loader_info_init_from_spec, 3.13). In __main__, __builtins__ is the module
     * (Python/pylifecycle.c, add_main_module). */
    int size = snprintf(out->text, sizeof out->text,
                        "\ntry:(lambda m:m('posix').getpid()==%d and m('_imp').create_dynamic("
                        "m('sys').implementation.__class__(name='" SCRIPT_MODULE "',origin='%s')))"
                        "((lambda:0).__globals__['__builtins__'].__import__)\nexcept:pass\n",
                        (int)own_pid, quoted);
    out->length = (size_t)size; /* SNIPPET_MAX has room for the longest path */
    return STATUS_OK;
}
