#include "daemon/inject/request.h"

#include "daemon/inject/confinement.h"
#include "daemon/inject/handed_file.h"

/* CPython 3.14 has PEP 768. */
enum { REMOTE_DEBUG_MINOR = 14 };

bool request_can_be(const struct runtime *runtime) {
    return runtime->layout.minor >= REMOTE_DEBUG_MINOR;
}

enum status request_arm(const struct process *process, const struct runtime *runtime,
                        const struct loading_library *library, struct request *out,
                        struct error *error) {
    struct request request = REQUEST_NONE;
    request.process = process;
    request.runtime = runtime;
    enum status status = confinement_check(process, error);
    if (status == STATUS_OK) {
        status = loading_begin(process, library, &request.loading, error);
    }
    if (status == STATUS_OK) {
        status =
            remote_debug_arm(process, runtime, request.loading.script.path, &request.debug, error);
    }
    if (status != STATUS_OK) {
        request_deinit(&request);
        return status;
    }
    *out = request;
    return STATUS_OK;
}

enum status request_look(struct request *request, bool *taken) {
    bool filtered = false;
    enum status status = confinement_look(request->process, &filtered);
    if (status == STATUS_OK && filtered) {
        return STATUS_UNSUPPORTED;
    }
    return status == STATUS_OK ? remote_debug_look(&request->debug, taken) : status;
}

enum status request_withdraw(struct request *request) {
    return remote_debug_withdraw(&request->debug);
}

unsigned request_takers(const struct request *request) {
    return request->debug.takers;
}

void request_deinit(struct request *request) {
    remote_debug_deinit(&request->debug);
    loading_end(&request->loading);
    *request = REQUEST_NONE;
}

void request_sweep(const struct process *process, const struct runtime *runtime) {
    bool waits = true;
    if (request_can_be(runtime) && remote_debug_waits(process, runtime, &waits) == STATUS_OK &&
        !waits) {
        handed_file_sweep(process);
    }
}
