#include "daemon/inject/script.h"

#include <stdio.h>
#include <string.h>

#include "common/own_code.h"

/* Bytes that stand for themselves in a bytes literal. */
static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+";

/* What would take a stack of OWN_CODE_STACK: lists in lists, each short enough to be made from the
 * stack in one go (STACK_USE_GUIDELINE, 30, in Python/codegen.c, 3.14), and few, since the compiler
 * goes down into each. */
#define P7 "p,p,p,p,p,p,p,"
#define P28 P7 P7 P7 P7
#define MARK "[" P28 "[" P28 "[" P28 "[" P7 "p,p,p,p,p,p]]]]"
_Static_assert(3 * 28 + 7 + 6 == OWN_CODE_STACK, "as many as it says");

/* As the inside of a bytes literal. */
static void quote(const char *text, char *out) {
    for (; *text != '\0'; ++text) {
        unsigned byte = (unsigned char)*text;
        if (strchr(plain, (int)byte) != NULL) {
            *out++ = (char)byte;
        } else {
            out += sprintf(out, "\\x%02x", byte);
        }
    }
    *out = '\0';
}

enum status script_make(const char *library, const char *name, pid_t own_pid, struct script *out,
                        struct error *error) {
    char path[SCRIPT_LIBRARY_MAX * 4 + 1];
    char shown[SCRIPT_NAME_MAX * 4 + 1];
    if (library[0] != '/' || strlen(library) >= SCRIPT_LIBRARY_MAX) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "the library's path must be absolute and shorter than %d bytes",
                         SCRIPT_LIBRARY_MAX);
    }
    if (strlen(name) >= SCRIPT_NAME_MAX) {
        return error_set(error, STATUS_UNSUPPORTED, "the library's name is too long");
    }
    quote(library, path);
    quote(name, shown);
    /* A SimpleNamespace serves as the spec: create_dynamic asks only for its name and origin
     * (Python/import.c, _Py_ext_module_loader_info_init_from_spec, 3.14). It raises ImportError
     * for what cannot be loaded, and something else for what has answered NULL. */
    int size = snprintf(out->text, sizeof out->text,
                        "try:\n"
                        " import posix,_imp,sys\n"
                        " if posix.getpid()==%d:\n"
                        "  p=b'%s'.decode('utf-8','surrogateescape')\n"
                        "  s=sys.implementation.__class__(name='" SCRIPT_MODULE "',origin=p)\n"
                        "  f=posix.open(p,posix.O_CLOEXEC)\n"
                        "  try:\n"
                        "   m=posix.memfd_create('%s')\n"
                        "   try:\n"
                        "    posix.sendfile(m,f,0,%d)\n"
                        "    s.origin='/proc/self/fd/../fd/%%d'%%m\n"
                        "    _imp.create_dynamic(s)\n"
                        "   finally:posix.close(m)\n"
                        "  except(AttributeError,OSError,ImportError):\n"
                        "   s.origin=p\n"
                        "   _imp.create_dynamic(s)\n"
                        "  finally:posix.close(f)\n"
                        "  p or" MARK "\n"
                        "except BaseException:pass\n",
                        (int)own_pid, path, shown, SCRIPT_LIBRARY_SIZE_MAX);
    out->length = (size_t)size; /* SCRIPT_MAX has room for the longest path and name */
    return STATUS_OK;
}
