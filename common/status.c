#include "common/status.h"

#include <errno.h>
#include <stdio.h>

const char *status_name(enum status status) {
    switch (status) {
    case STATUS_OK:
        return "ok";
    case STATUS_TORN:
        return "torn";
    case STATUS_GONE:
        return "gone";
    case STATUS_DENIED:
        return "denied";
    case STATUS_ABSENT:
        return "absent";
    case STATUS_CORRUPT:
        return "corrupt";
    case STATUS_UNSUPPORTED:
        return "unsupported";
    case STATUS_NOMEM:
        return "nomem";
    case STATUS_SYS:
        return "sys";
    }
    return "unknown";
}

enum status status_from_errno(int errnum) {
    switch (errnum) {
    case 0:
        return STATUS_OK;
    case ESRCH:
        return STATUS_GONE;
    case EPERM:
    case EACCES:
        return STATUS_DENIED;
    case ENOENT:
        return STATUS_ABSENT;
    case ENOMEM:
        return STATUS_NOMEM;
    case EFAULT:
    case EIO:
        return STATUS_TORN;
    default:
        return STATUS_SYS;
    }
}

enum status error_set(struct error *error, enum status status, const char *format, ...) {
    if (error != NULL) {
        va_list args;
        va_start(args, format);
        error->status = status;
        (void)vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return status;
}
