#include "daemon/inject/loading.h"

#include "daemon/inject/script.h"

enum status loading_begin(const struct process *process, const struct loading_library *library,
                          struct loading *out, struct error *error) {
    struct loading loading = LOADING_NONE;
    struct script script;
    if (library->size > SCRIPT_LIBRARY_SIZE_MAX) {
        return error_set(error, STATUS_UNSUPPORTED, "the shim is too large");
    }
    enum status status =
        handed_file_make(process, library->bytes, library->size, &loading.library, error);
    if (status == STATUS_OK) {
        status = script_make(loading.library.path, library->name, process->own_pid, &script, error);
    }
    if (status == STATUS_OK) {
        status = handed_file_make(process, script.text, script.length, &loading.script, error);
    }
    if (status != STATUS_OK) {
        loading_end(&loading);
        return status;
    }
    *out = loading;
    return STATUS_OK;
}

void loading_end(struct loading *loading) {
    handed_file_remove(&loading->script);
    handed_file_remove(&loading->library);
}
