/* version: CPython versions as the numbers of PY_VERSION_HEX (Include/patchlevel.h), and finding
 * one where nothing points to it. Functions only; any thread. Cold. */
#ifndef ECHION_DAEMON_PYTHON_VERSION_H
#define ECHION_DAEMON_PYTHON_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "daemon/target/elf_image.h"
#include "daemon/target/mappings.h"

static inline unsigned version_major(uint32_t hex) {
    return hex >> 24;
}

static inline unsigned version_minor(uint32_t hex) {
    return hex >> 16 & 0xff;
}

/* Whether a number can be the version of a CPython 3 or of one to come. */
bool version_is_plausible(uint64_t hex);

/* "3.12.1", "3.14.0rc2"; without the micro version "3.9". */
void version_text(uint32_t hex, bool micro_known, char *out, size_t capacity);

/* Takes the version from the names and strings of a Python 3.7 to 3.12 that does not export it: its
 * PY_VERSION ("3.9.2", Python/getversion.c) and its folder ("python3.9", Modules/getpath.c), which
 * every build has among its constants, stripped or not. Reads the object's constants, at most 256
 * MiB of them. ABSENT when they do not name one version. */
STATUS_CHECKED enum status version_find(const struct elf_image *image,
                                        const struct mapped_object *object, uint32_t *hex,
                                        bool *micro_known);

#endif
