/* crafted: a small shared object made by hand, of either class, and laid out in this process as the
 * loader would, so that tests can bend every part of it. Owned by one test. */
#ifndef ECHION_TESTS_UNIT_TARGET_CRAFTED_H
#define ECHION_TESTS_UNIT_TARGET_CRAFTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/target/elf_image.h"
#include "daemon/target/mappings.h"
#include "daemon/target/process.h"

enum {
    CRAFTED_PAGE = 4096,
    CRAFTED_LOADED = 2 * CRAFTED_PAGE,      /* one page of constants, one of data */
    CRAFTED_SIZE = 3 * CRAFTED_PAGE,        /* and one that is not loaded: sections, symbol table */
    CRAFTED_RUNTIME = CRAFTED_PAGE + 0x800, /* where the symbols are */
    CRAFTED_VERSION = 0x900,
    CRAFTED_LOCAL = CRAFTED_PAGE + 0x840, /* of a symbol in .symtab only */
};

enum crafted_hash { CRAFTED_GNU_HASH, CRAFTED_SYSV_HASH };

/* Offsets of parts in the file, for bending. */
enum crafted_part {
    CRAFTED_PHDRS = 0x100,
    CRAFTED_NOTE = 0x200,
    CRAFTED_DYNSYM = 0x300,
    CRAFTED_DYNSTR = 0x400,
    CRAFTED_HASH = 0x500,
    CRAFTED_DYNAMIC = CRAFTED_PAGE + 0x100,
    CRAFTED_SHDRS = 2 * CRAFTED_PAGE,
    CRAFTED_SHSTRTAB = 2 * CRAFTED_PAGE + 0x400,
    CRAFTED_SYMTAB = 2 * CRAFTED_PAGE + 0x500,
    CRAFTED_STRTAB = 2 * CRAFTED_PAGE + 0x600,
};

struct crafted {
    unsigned word_size;
    _Alignas(8) uint8_t bytes[CRAFTED_SIZE];

    char path[256];
    uint8_t *base; /* where it is laid out */
    struct process process;
    struct mappings mappings;
    struct mapped_object object;
};

/* Makes the bytes: symbols _PyRuntime and Py_Version, one undefined; a build id of 1, 2 .. 20. */
void crafted_make(struct crafted *crafted, unsigned word_size, enum crafted_hash hash);

/* Writes them to a file of that name. */
void crafted_write(struct crafted *crafted, const char *name);

/* Writes them, and lays the file out in this process. */
void crafted_load(struct crafted *crafted, const char *name);

/* Lays out the file that was written, in the calling process. */
void crafted_map(struct crafted *crafted);

/* Finds the object among the process's mappings, `pid` being this one or a fork of it. */
void crafted_look(struct crafted *crafted, pid_t pid);

/* Undoes crafted_load. */
void crafted_unload(struct crafted *crafted);

#endif
