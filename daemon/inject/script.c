#include "daemon/inject/script.h"

#include <stdio.h>
#include <string.h>

/* Bytes that stand for themselves in a bytes literal. */
static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+";

enum status script_make(const char *library, pid_t own_pid, struct script *out,
                        struct error *error) {
    size_t length = strlen(library);
    if (library[0] != '/' || length >= SCRIPT_LIBRARY_MAX) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "the library's path must be absolute and shorter than %d bytes",
                         SCRIPT_LIBRARY_MAX);
    }
    char quoted[SCRIPT_LIBRARY_MAX * 4 + 1];
    char *end = quoted;
    for (size_t i = 0; i < length; ++i) {
        unsigned byte = (unsigned char)library[i];
        if (strchr(plain, (int)byte) != NULL) {
            *end++ = (char)byte;
        } else {
            end += sprintf(end, "\\x%02x", byte);
        }
    }
    *end = '\0';
    /* A class serves as the spec: create_dynamic asks only for its name and origin
     * (Python/import.c, _Py_ext_module_loader_info_init_from_spec, 3.14). */
    int size = snprintf(out->text, sizeof out->text,
                        "try:\n"
                        " import posix,_imp\n"
                        " if posix.getpid()==%d:\n"
                        "  class s:name='" SCRIPT_MODULE
                        "';origin=b'%s'.decode('utf-8','surrogateescape')\n"
                        "  _imp.create_dynamic(s)\n"
                        "except BaseException:pass\n",
                        (int)own_pid, quoted);
    out->length = (size_t)size; /* SCRIPT_MAX has room for the longest path */
    return STATUS_OK;
}
