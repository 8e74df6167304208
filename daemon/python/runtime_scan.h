/* runtime_scan: finds the _PyRuntime of a CPython 3.8 or 3.9 that nothing points to: linked
 * statically into a program that exports no symbols, and stripped. (From 3.10 on it has a section
 * of its own.) A function only; one thread at a time. Cold. */
#ifndef ECHION_DAEMON_PYTHON_RUNTIME_SCAN_H
#define ECHION_DAEMON_PYTHON_RUNTIME_SCAN_H

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/target/elf_image.h"
#include "daemon/target/mappings.h"

/* Goes through the object's data, at most 64 MiB of them, for what looks like a runtime whose core
 * is initialised. Reads the object's constants first, for its version. ABSENT when there is no such
 * version, or nothing that looks so. GONE, DENIED, NOMEM, SYS. */
STATUS_CHECKED enum status runtime_scan(const struct elf_image *image,
                                        const struct mapped_object *object, struct raddr *out);

#endif
