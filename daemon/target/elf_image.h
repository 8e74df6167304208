/* elf_image: an ELF object as it lies in the target's memory: its headers, where it was loaded, and
 * its dynamic symbols. A plain value that owns nothing; any thread. Cold.
 *
 * Nothing is opened: this works for files that are deleted, replaced, unreadable or in another
 * mount namespace, and every process_vm_readv is small and bounded. All of it is the target's word:
 * an absurd header is CORRUPT, and an address that comes out of here is not to be believed before
 * what it points at has been checked. */
#ifndef ECHION_DAEMON_TARGET_ELF_IMAGE_H
#define ECHION_DAEMON_TARGET_ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/target/mappings.h"
#include "daemon/target/memory.h"

enum { ELF_IMAGE_HEAD = 4096, ELF_IMAGE_NOTES = 4, ELF_IMAGE_BUILD_ID_MAX = 64 };

struct elf_image {
    struct memory memory;    /* with the word size of this object */
    struct raddr start, end; /* the object's first and last mapped byte + 1 */
    uint64_t bias;           /* to add to the addresses in the file */
    uint16_t type;           /* ET_EXEC or ET_DYN */
    uint16_t machine;        /* EM_X86_64 or EM_386 */

    struct { /* of the dynamic section, null where it has none */
        struct raddr symbols, strings, gnu_hash, hash;
        uint64_t strings_size;
    } dynamic;

    struct {
        struct raddr at;
        uint64_t size;
    } notes[ELF_IMAGE_NOTES]; /* PT_NOTE segments, null where there are fewer */

    /* The first bytes as the file has them, by which it is known again (mapped_file). */
    uint32_t head_size;
    uint32_t headers_size; /* those of them that are headers */
    uint8_t head[ELF_IMAGE_HEAD];
};

/* Reads the headers of an object. ABSENT: no ELF object, or not one that the loader has laid out.
 * UNSUPPORTED: another machine than x86-64 and i386. CORRUPT, TORN, GONE, DENIED as memory_read. */
STATUS_CHECKED enum status elf_image_read(const struct process *process,
                                          const struct mapped_object *object,
                                          struct elf_image *out);

/* Where a symbol that the object defines and exports is, by its hash table. ABSENT if it does not.
 */
STATUS_CHECKED enum status elf_image_symbol(const struct elf_image *image, const char *name,
                                            struct raddr *out);

/* The build id into `out` (ELF_IMAGE_BUILD_ID_MAX bytes), its length into `size`. ABSENT without
 * one. */
STATUS_CHECKED enum status elf_image_build_id(const struct elf_image *image, uint8_t *out,
                                              size_t *size);

/* Whether an address, of `size` bytes, lies within the image or its .bss, which follows it. */
bool elf_image_holds(const struct elf_image *image, struct raddr address, uint64_t size);

#endif
