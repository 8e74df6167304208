/* code_loader: learns code objects from the target's memory and puts them into the code cache.
 * Owned by a sampler, used by its thread only. Cold: some reads and allocations per code object. */
#ifndef ECHION_DAEMON_SERVICE_CODE_LOADER_H
#define ECHION_DAEMON_SERVICE_CODE_LOADER_H

#include <stdint.h>

#include "common/status.h"
#include "daemon/decode/code_cache.h"
#include "daemon/decode/opcodes.h"
#include "daemon/python/layout.h"
#include "daemon/target/memory.h"

enum { CODE_TYPES_MAX = 8 };

struct code_loader {
    const struct memory *memory;
    const struct py_layout *layout;
    const struct opcode_table *opcodes;
    struct code_cache *codes;
    uint64_t code_types[CODE_TYPES_MAX]; /* addresses of types named "code", found so far */
    uint32_t code_type_count;
};

void code_loader_init(struct code_loader *loader, const struct memory *memory,
                      const struct py_layout *layout, const struct opcode_table *opcodes,
                      struct code_cache *codes);

/* Makes the cache know what is at `address`: confirms an entry that is still right, replaces one
 * whose code object is gone, adds a new one, remembers that there is no code object. Fails only
 * when the memory cannot be read (GONE, DENIED) or room is lacking (NOMEM). */
STATUS_CHECKED enum status code_loader_learn(struct code_loader *loader, uint64_t address,
                                             uint64_t now_ns);

#endif
