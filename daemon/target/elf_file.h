/* elf_file: what only the file of an ELF object knows, since it is not loaded: sections and the
 * full symbol table. Owns a descriptor and a copy of the section headers; belongs to one thread.
 * Cold.
 *
 * The file may change while it is read, by a hostile hand: each header is read once, checked, and
 * used from our copy, everything is read in bounded pieces, and memory is at most a few hundred
 * KiB. (That is why this is not libelf, which reads headers again when asked for more, and
 * allocates as many section records as the file tells it to.) */
#ifndef ECHION_DAEMON_TARGET_ELF_FILE_H
#define ECHION_DAEMON_TARGET_ELF_FILE_H

#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/target/elf_image.h"
#include "daemon/target/mapped_file.h"
#include "daemon/target/mappings.h"
#include "daemon/target/process.h"

struct elf_file;

/* Opens the file behind an object. ABSENT, DENIED, GONE, NOMEM, SYS as mapped_file_open, ABSENT
 * also when it has no section headers; CORRUPT. */
STATUS_CHECKED enum status elf_file_open(const struct process *process,
                                         const struct mapped_object *object,
                                         const struct elf_image *image, struct elf_file **out);
void elf_file_close(struct elf_file *file);

/* By which way the file was found. */
enum mapped_file_way elf_file_way(const struct elf_file *file);

/* Where a loaded section lies in the target, and its size. ABSENT: no such section, or not loaded;
 * CORRUPT: outside of the object. */
STATUS_CHECKED enum status elf_file_section(const struct elf_file *file, const char *name,
                                            struct raddr *address, uint64_t *size);

/* Where a symbol is that the object defines, by the table that `strip` removes (.symtab); a local
 * one too. ABSENT, CORRUPT, UNSUPPORTED (more than 64 MiB of symbols), NOMEM, SYS. */
STATUS_CHECKED enum status elf_file_symbol(const struct elf_file *file, const char *name,
                                           struct raddr *out);

#endif
