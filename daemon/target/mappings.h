/* mappings: what a process had mapped at one moment (/proc/PID/maps), and the files among it. Owns
 * its memory; belongs to one thread, others may read it. Cold: reading it takes milliseconds for a
 * large process, and can block as long as memory_read can.
 *
 * All of it comes from the target, which may map what it likes: only numbers are taken from it, and
 * paths for display and for opening through mapped_file. */
#ifndef ECHION_DAEMON_TARGET_MAPPINGS_H
#define ECHION_DAEMON_TARGET_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/target/process.h"

/* The kernel's own default is 65530 (vm.max_map_count); what has more is refused. */
enum { MAPPINGS_MAX = 1 << 18 };

struct mapping {
    struct raddr start, end; /* [start, end) */
    uint64_t offset;         /* in the file */
    uint64_t inode;          /* 0: anonymous, or the kernel's ([vdso] and the like) */
    uint32_t device;         /* as the kernel prints it: major << 20 | minor; not always st_dev */
    bool readable, writable, executable, shared;
    bool deleted;     /* the path is gone or another file by now; its name may also just end so */
    const char *path; /* in the target's root, "" if anonymous; without " (deleted)" */
};

struct mappings {
    struct mapping *items; /* by address */
    size_t count;
    struct mapping_paths *paths;
};

#define MAPPINGS_NONE ((struct mappings){0})

/* TORN: it is just starting a program. GONE, DENIED, NOMEM (also beyond MAPPINGS_MAX or 16 MiB of
 * paths), CORRUPT, SYS. */
STATUS_CHECKED enum status mappings_read(const struct process *process, struct mappings *out,
                                         struct error *error);

/* Accepts MAPPINGS_NONE. */
void mappings_deinit(struct mappings *mappings);

/* The mapping that holds an address; NULL if none does. */
const struct mapping *mappings_find(const struct mappings *mappings, struct raddr address);

/* A file as the loader has laid it out: mappings of one file, the first one from its beginning,
 * maybe with others in between. */
struct mapped_object {
    const struct mapping *first, *last;
};

/* The next object at or behind item `*position`, which is moved past it. False when there is none.
 */
bool mappings_next_object(const struct mappings *mappings, size_t *position,
                          struct mapped_object *out);

/* Whether `item` (first to last of the object) is one of the object's own mappings. */
static inline bool mapped_object_owns(const struct mapped_object *object,
                                      const struct mapping *item) {
    return item->inode == object->first->inode && item->device == object->first->device;
}

#endif
