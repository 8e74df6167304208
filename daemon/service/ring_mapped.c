#include "daemon/service/ring_mapped.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/ring_record.h"
#include "daemon/ingest/ring_find.h"
#include "daemon/target/mappings.h"
#include "daemon/target/memory.h"

enum { LINK_MAX = 64 };

/* Whether this is the process's own ring, by what stands there. */
static bool is_own(const struct process *process, const struct mapping *mapping) {
    const struct memory memory = process_memory(process);
    struct ring_header header;
    return mapping->shared && mapping->deleted &&
           strcmp(mapping->path, "/memfd:" RING_FILE_NAME) == 0 &&
           memory_read(&memory, mapping->start, &header, sizeof header) == STATUS_OK &&
           header.magic == RING_MAGIC && header.pid == (int32_t)process->own_pid;
}

static enum status open_mapping(const struct process *process, const struct mapping *mapping,
                                struct ring **out, struct error *error) {
    char link[LINK_MAX];
    (void)snprintf(link, sizeof link, "map_files/%" PRIx64 "-%" PRIx64, mapping->start.v,
                   mapping->end.v);
    return ring_open(process->dir, link, (int32_t)process->own_pid, out, error) == STATUS_OK
               ? STATUS_OK
               : error_set(error, STATUS_DENIED,
                           "it has closed the descriptor by which the shim that it has is found; "
                           "root can do without");
}

enum status ring_mapped_find(const struct process *process, struct ring **out,
                             struct error *error) {
    struct mappings mappings = MAPPINGS_NONE;
    enum status status = mappings_read(process, &mappings, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = STATUS_ABSENT;
    for (size_t i = 0; i < mappings.count && status == STATUS_ABSENT; i++) {
        if (is_own(process, &mappings.items[i])) {
            status = open_mapping(process, &mappings.items[i], out, error);
        }
    }
    mappings_deinit(&mappings);
    return status;
}
