/* status: the outcome of an operation that can fail, and the explanation of a failure.
 *
 * `enum status` decides what the caller does; `struct error` explains to a person what happened.
 * The error belongs to the caller, is a plain value, and may be filled by any thread that owns it.
 * Cold: hot functions return a status only. A NULL error is allowed everywhere and means "not
 * wanted". */
#ifndef ECHION_COMMON_STATUS_H
#define ECHION_COMMON_STATUS_H

#include <stdarg.h>

enum status {
    STATUS_OK = 0,
    STATUS_TORN,        /* what was read contradicts itself; reading again may help */
    STATUS_GONE,        /* the process, thread or mapping is no longer there */
    STATUS_DENIED,      /* the kernel refused for lack of permission */
    STATUS_ABSENT,      /* the thing asked for does not exist (there) */
    STATUS_CORRUPT,     /* the data is not what it claims to be, and reading again will not help */
    STATUS_UNSUPPORTED, /* understood, but not handled by this program */
    STATUS_NOMEM,       /* out of memory in this process, or over a fixed budget */
    STATUS_SYS,         /* a system call failed in a way that nothing above describes */
};

#define STATUS_CHECKED __attribute__((warn_unused_result))

enum { ERROR_TEXT_MAX = 512 };

struct error {
    enum status status;
    char text[ERROR_TEXT_MAX]; /* one sentence, NUL-terminated: what, which pid, which remedy */
};

/* Short lower-case name of a status, for logs and tests. Static storage; never NULL. */
const char *status_name(enum status status);

/* The status that an errno value of a system call on another process amounts to. */
enum status status_from_errno(int errnum);

/* Fills `error` (if not NULL) and returns `status`, so that a failing function can end with
 * `return error_set(error, STATUS_GONE, "process %d ...", pid);`. Text beyond the limit is cut. */
enum status error_set(struct error *error, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
