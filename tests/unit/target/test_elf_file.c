#include "daemon/target/elf_file.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "crafted.h"

/* Writes and lays out the object, and opens its file. */
static enum status open_file(struct crafted *crafted, struct elf_image *image,
                             struct elf_file **file) {
    crafted_load(crafted, "object");
    cr_assert_eq(elf_image_read(&crafted->process, &crafted->object, image), STATUS_OK);
    return elf_file_open(&crafted->process, &crafted->object, image, file);
}

static void sections_and_symbols(unsigned word_size) {
    static struct crafted crafted;
    struct elf_image image;
    struct elf_file *file = NULL;
    crafted_make(&crafted, word_size, CRAFTED_GNU_HASH);
    cr_assert_eq(open_file(&crafted, &image, &file), STATUS_OK);

    struct raddr address = RADDR_NULL;
    uint64_t size = 0;
    cr_assert_eq(elf_file_section(file, ".PyRuntime", &address, &size), STATUS_OK);
    cr_assert_eq(address.v, (uintptr_t)crafted.base + CRAFTED_RUNTIME);
    cr_assert_eq(size, 0x20);
    cr_assert_eq(elf_file_section(file, ".PyRuntim", &address, &size), STATUS_ABSENT);
    cr_assert_eq(elf_file_section(file, "PyRuntime", &address, &size), STATUS_ABSENT);
    cr_assert_eq(elf_file_section(file, ".symtab", &address, &size),
                 STATUS_ABSENT); /* not loaded */

    cr_assert_eq(elf_file_symbol(file, "local", &address), STATUS_OK);
    cr_assert_eq(address.v, (uintptr_t)crafted.base + CRAFTED_LOCAL);
    cr_assert_eq(elf_file_symbol(file, "unrelated", &address), STATUS_OK);
    cr_assert_eq(elf_file_symbol(file, "a_local", &address), STATUS_ABSENT); /* no such symbol */
    cr_assert_eq(elf_file_symbol(file, "nothing", &address), STATUS_ABSENT);
    elf_file_close(file);
    elf_file_close(NULL);
    crafted_unload(&crafted);
}

Test(elf_file, sections_and_symbols_64) {
    sections_and_symbols(8);
}

Test(elf_file, sections_and_symbols_32) {
    sections_and_symbols(4);
}

static struct elf_image image;
static struct crafted crafted;

#define BEND(type, offset, member, value)                                                          \
    do {                                                                                           \
        crafted_make(&crafted, 8, CRAFTED_GNU_HASH);                                               \
        ((type *)(void *)(crafted.bytes + (offset)))->member = (value);                            \
    } while (0)

#define SECTION(index) (CRAFTED_SHDRS + (index) * sizeof(Elf64_Shdr))

enum answer { OPEN, SECTION_ASKED, SYMBOL_ASKED };

/* How far one gets with a bent file, and what is said there. */
static enum status ask(enum answer what) {
    struct elf_file *file = NULL;
    enum status status = open_file(&crafted, &image, &file);
    struct raddr address = {77};
    uint64_t size = 77;
    if (status == STATUS_OK && what == SECTION_ASKED) {
        status = elf_file_section(file, ".PyRuntime", &address, &size);
    } else if (status == STATUS_OK && what == SYMBOL_ASKED) {
        status = elf_file_symbol(file, "local", &address);
    }
    cr_assert(status == STATUS_OK || (address.v == 77 && size == 77), "outputs were touched");
    elf_file_close(file);
    crafted_unload(&crafted);
    return status;
}

Test(elf_file, without_sections) {
    BEND(Elf64_Ehdr, 0, e_shnum, 0);
    cr_assert_eq(ask(OPEN), STATUS_ABSENT);
    BEND(Elf64_Ehdr, 0, e_shoff, 0);
    cr_assert_eq(ask(OPEN), STATUS_ABSENT);
}

Test(elf_file, absurd_section_tables) {
    BEND(Elf64_Ehdr, 0, e_shnum, UINT16_MAX);
    cr_assert_eq(ask(OPEN), STATUS_CORRUPT);
    BEND(Elf64_Ehdr, 0, e_shnum, 1024); /* beyond the end */
    cr_assert_eq(ask(OPEN), STATUS_CORRUPT);
    BEND(Elf64_Ehdr, 0, e_shentsize, 0);
    cr_assert_eq(ask(OPEN), STATUS_CORRUPT);
    BEND(Elf64_Ehdr, 0, e_shstrndx, 6);
    cr_assert_eq(ask(OPEN), STATUS_CORRUPT);
    BEND(Elf64_Ehdr, 0, e_shstrndx, 1); /* not strings */
    cr_assert_eq(ask(OPEN), STATUS_CORRUPT);
    BEND(Elf64_Ehdr, 0, e_shoff, UINT64_MAX);
    cr_assert_eq(ask(OPEN), STATUS_CORRUPT);
    BEND(Elf64_Ehdr, 0, e_shoff, INT64_MAX);
    cr_assert_eq(ask(OPEN), STATUS_CORRUPT);
    BEND(Elf64_Shdr, SECTION(4), sh_size, UINT64_MAX);
    cr_assert_eq(ask(OPEN), STATUS_CORRUPT);
    BEND(Elf64_Shdr, SECTION(4), sh_size, 60000); /* beyond the end */
    cr_assert_eq(ask(OPEN), STATUS_CORRUPT);
    BEND(Elf64_Shdr, SECTION(4), sh_offset, UINT64_MAX);
    cr_assert_eq(ask(OPEN), STATUS_CORRUPT);
    BEND(Elf64_Shdr, SECTION(1), sh_name, UINT32_MAX);
    cr_assert_eq(ask(SECTION_ASKED), STATUS_ABSENT);
    BEND(Elf64_Shdr, SECTION(1), sh_addr, UINT64_C(1) << 40);
    cr_assert_eq(ask(SECTION_ASKED), STATUS_CORRUPT);
    BEND(Elf64_Shdr, SECTION(1), sh_size, UINT64_MAX);
    cr_assert_eq(ask(SECTION_ASKED), STATUS_CORRUPT);
}

Test(elf_file, absurd_symbol_tables) {
    BEND(Elf64_Shdr, SECTION(2), sh_size, UINT64_MAX);
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_UNSUPPORTED);
    BEND(Elf64_Shdr, SECTION(3), sh_size, UINT64_MAX);
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_UNSUPPORTED);
    BEND(Elf64_Shdr, SECTION(2), sh_size, 1 << 20); /* beyond the end */
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_CORRUPT);
    BEND(Elf64_Shdr, SECTION(3), sh_size, 1 << 20);
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_CORRUPT);
    BEND(Elf64_Shdr, SECTION(2), sh_size, 23); /* not one whole symbol */
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_ABSENT);
    BEND(Elf64_Shdr, SECTION(3), sh_size, 3);
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_ABSENT);
    BEND(Elf64_Shdr, SECTION(2), sh_link, 77);
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_CORRUPT);
    BEND(Elf64_Shdr, SECTION(2), sh_link, 2); /* itself */
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_CORRUPT);
    BEND(Elf64_Shdr, SECTION(2), sh_offset, UINT64_MAX - 100);
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_CORRUPT);
    BEND(Elf64_Sym, CRAFTED_SYMTAB + 3 * sizeof(Elf64_Sym), st_value, UINT64_C(1) << 60);
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_CORRUPT);
    BEND(Elf64_Shdr, SECTION(2), sh_type, SHT_PROGBITS);
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_ABSENT);
}

/* The same name over and over: as many places as nobody has. */
Test(elf_file, a_string_table_of_one_name) {
    crafted_make(&crafted, 8, CRAFTED_GNU_HASH);
    ((Elf64_Shdr *)(void *)(crafted.bytes + SECTION(3)))->sh_size = 0x800;
    for (size_t at = CRAFTED_STRTAB; at + 6 <= CRAFTED_STRTAB + 0x800; at += 6) {
        memcpy(crafted.bytes + at, "local", 6);
    }
    cr_assert_eq(ask(SYMBOL_ASKED), STATUS_CORRUPT);
}

/* A name that lies across two pieces, and symbols across many: a table larger than a piece. */
Test(elf_file, large_tables) {
    const size_t strings_size = 3 << 17;
    const size_t symbol_count = 20000;
    const size_t base = 1 << 20;
    static const uint32_t places[] = {(1 << 17) - 3, (2 << 17) - 9, (3 << 17) - 6};
    for (size_t i = 0; i < sizeof places / sizeof *places; ++i) {
        crafted_make(&crafted, 8, CRAFTED_GNU_HASH);
        Elf64_Shdr *sections = (Elf64_Shdr *)(void *)(crafted.bytes + CRAFTED_SHDRS);
        sections[2].sh_offset = base;
        sections[2].sh_size = symbol_count * sizeof(Elf64_Sym);
        sections[3].sh_offset = 2 * base;
        sections[3].sh_size = strings_size;
        crafted_load(&crafted, "large");
        int fd = open(crafted.path, O_WRONLY | O_CLOEXEC);
        cr_assert_eq(ftruncate(fd, (off_t)(3 * base)), 0);
        cr_assert_eq(pwrite(fd, "local", 6, (off_t)(2 * base + places[i])), 6);
        Elf64_Sym symbol = {.st_name = places[i], .st_shndx = 1, .st_value = CRAFTED_LOCAL};
        cr_assert_eq(
            pwrite(fd, &symbol, sizeof symbol, (off_t)(base + (symbol_count - 1) * sizeof symbol)),
            sizeof symbol);
        (void)close(fd);

        struct elf_file *file = NULL;
        struct raddr address = RADDR_NULL;
        cr_assert_eq(elf_image_read(&crafted.process, &crafted.object, &image), STATUS_OK);
        cr_assert_eq(elf_file_open(&crafted.process, &crafted.object, &image, &file), STATUS_OK);
        cr_assert_eq(elf_file_symbol(file, "local", &address), STATUS_OK, "at %u", places[i]);
        cr_assert_eq(address.v, (uintptr_t)crafted.base + CRAFTED_LOCAL);
        elf_file_close(file);
        crafted_unload(&crafted);
    }
}

/* Cut at any length, behind what is loaded. */
Test(elf_file, truncated) {
    for (off_t size = 0; size < CRAFTED_SIZE; size += 97) {
        crafted_make(&crafted, 8, CRAFTED_GNU_HASH);
        crafted_load(&crafted, "cut");
        cr_assert_eq(elf_image_read(&crafted.process, &crafted.object, &image), STATUS_OK);
        cr_assert_eq(truncate(crafted.path, size), 0);
        struct elf_file *file = NULL;
        struct raddr address;
        enum status status = elf_file_open(&crafted.process, &crafted.object, &image, &file);
        if (status == STATUS_OK) {
            status = elf_file_symbol(file, "local", &address);
        }
        cr_assert(status == STATUS_OK || status == STATUS_ABSENT || status == STATUS_CORRUPT);
        cr_assert(size >= CRAFTED_STRTAB || status != STATUS_OK);
        elf_file_close(file);
        crafted_unload(&crafted);
    }
}

Test(elf_file, random_damage, .timeout = 60) {
    srandom(2);
    for (unsigned round = 0; round < 3000; ++round) {
        crafted_make(&crafted, round % 2 == 0 ? 8 : 4, CRAFTED_GNU_HASH);
        for (long damage = random() % 8; damage >= 0; --damage) {
            /* Sections, symbols, strings; now and then the file's header. */
            size_t at = random() % 8 == 0 ? 0x20 + (size_t)random() % 0x20
                                          : CRAFTED_SHDRS + (size_t)random() % 0x620;
            crafted.bytes[at] = (uint8_t)(random() % 4 == 0 ? 0xff : random());
        }
        crafted_load(&crafted, "damaged");
        struct elf_file *file = NULL;
        enum status status = elf_image_read(&crafted.process, &crafted.object, &image);
        if (status == STATUS_OK) {
            status = elf_file_open(&crafted.process, &crafted.object, &image, &file);
        }
        if (status == STATUS_OK) {
            struct raddr address;
            uint64_t size;
            if (elf_file_section(file, ".PyRuntime", &address, &size) == STATUS_OK) {
                cr_assert(elf_image_holds(&image, address, size));
            }
            if (elf_file_symbol(file, "local", &address) == STATUS_OK) {
                cr_assert(elf_image_holds(&image, address, 1));
            }
        }
        cr_assert(status == STATUS_OK || status == STATUS_ABSENT || status == STATUS_CORRUPT ||
                      status == STATUS_UNSUPPORTED || status == STATUS_TORN,
                  "%s", status_name(status));
        elf_file_close(file);
        crafted_unload(&crafted);
    }
}
