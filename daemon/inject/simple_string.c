#include "daemon/inject/simple_string.h"

#include <stdbool.h>

#include "daemon/target/elf_file.h"
#include "daemon/target/elf_image.h"

static const char name[] = "PyRun_SimpleString";

/* Looks in the symbol table of the object's file; ABSENT where that cannot be had. */
static enum status file_look(const struct process *process, const struct mapped_object *object,
                             const struct elf_image *image, struct raddr *out) {
    struct elf_file *file = NULL;
    enum status status = elf_file_open(process, object, image, &file);
    if (status == STATUS_OK) {
        status = elf_file_symbol(file, name, out);
        elf_file_close(file);
    }
    return status == STATUS_OK || status == STATUS_GONE || status == STATUS_NOMEM ? status
                                                                                  : STATUS_ABSENT;
}

static bool is_code(const struct mappings *mappings, struct raddr address) {
    const struct mapping *mapping = mappings_find(mappings, address);
    return mapping != NULL && mapping->executable;
}

/* ABSENT: not here. */
static enum status object_look(const struct process *process, const struct runtime *runtime,
                               const struct mapped_object *object, bool holds, struct raddr *out) {
    struct elf_image image;
    enum status status = elf_image_read(process, object, &image);
    if (status != STATUS_OK) {
        return status == STATUS_GONE || status == STATUS_DENIED ? status : STATUS_ABSENT;
    }
    if (elf_image_holds(&image, runtime->address, 1) != holds) {
        return STATUS_ABSENT;
    }
    status = elf_image_symbol(&image, name, out);
    if (status == STATUS_OK || status == STATUS_GONE) {
        return status;
    }
    return holds ? file_look(process, object, &image, out) : STATUS_ABSENT;
}

enum status simple_string_find(const struct process *process, const struct runtime *runtime,
                               const struct mappings *mappings, struct raddr *out,
                               struct error *error) {
    static const bool rounds[] = {true, false}; /* whether the object holds _PyRuntime */
    enum status status = STATUS_ABSENT;
    for (size_t i = 0; i < sizeof rounds / sizeof *rounds; ++i) {
        size_t position = 0;
        struct mapped_object object;
        struct raddr address;
        while (mappings_next_object(mappings, &position, &object)) {
            status = object_look(process, runtime, &object, rounds[i], &address);
            if (status == STATUS_OK && is_code(mappings, address)) {
                *out = address;
                return STATUS_OK;
            }
            if (status != STATUS_OK && status != STATUS_ABSENT) {
                return error_set(error, status, "cannot look for %s in process %d: %s", name,
                                 process->pid, status_name(status));
            }
        }
    }
    return error_set(error, STATUS_UNSUPPORTED,
                     "the Python in process %d does not show its function %s, so the shim stays "
                     "out; it is sampled from outside",
                     process->pid, name);
}
