#include "daemon/service/exit_status.h"

enum exit_status exit_status_of_target(enum status status) {
    switch (status) {
    case STATUS_OK:
        return EXIT_STATUS_OK;
    case STATUS_GONE:
        return EXIT_STATUS_NO_PROCESS;
    case STATUS_DENIED:
        return EXIT_STATUS_DENIED;
    case STATUS_UNSUPPORTED:
        return EXIT_STATUS_UNKNOWN_PYTHON;
    case STATUS_ABSENT:
    case STATUS_CORRUPT:
    case STATUS_TORN:
        return EXIT_STATUS_NOT_PYTHON;
    case STATUS_NOMEM:
    case STATUS_SYS:
        break;
    }
    return EXIT_STATUS_SYSTEM;
}
