#include "crafted.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "child.h"

static const char strings[] = "\0undefined\0first\0_PyRuntime\0Py_Version\0";
enum { AT_UNDEFINED = 1, AT_FIRST = 11, AT_RUNTIME = 17, AT_VERSION = 28 };

static const char section_names[] = "\0.PyRuntime\0.symtab\0.strtab\0.shstrtab\0.bss\0";
enum { NAME_RUNTIME = 1, NAME_SYMTAB = 12, NAME_STRTAB = 20, NAME_SHSTRTAB = 28, NAME_BSS = 38 };

/* Shares a tail, as linkers do: "local" stands in "a_local". */
static const char all_strings[] = "\0a_local\0unrelated\0";
enum { AT_LOCAL = 3, AT_UNRELATED = 9 };

static void put(struct crafted *crafted, size_t at, const void *bytes, size_t size) {
    memcpy(crafted->bytes + at, bytes, size);
}

static void put_word(struct crafted *crafted, size_t at, uint64_t word) {
    put(crafted, at, &word, crafted->word_size);
}

static void put_file_header(struct crafted *crafted) {
    bool wide = crafted->word_size == 8;
    Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
                                     wide ? ELFCLASS64 : ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_DYN,
                         .e_machine = wide ? EM_X86_64 : EM_386,
                         .e_version = EV_CURRENT,
                         .e_phoff = CRAFTED_PHDRS,
                         .e_shoff = CRAFTED_SHDRS,
                         .e_ehsize = sizeof header,
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = 4,
                         .e_shentsize = sizeof(Elf64_Shdr),
                         .e_shnum = 6,
                         .e_shstrndx = 4};
    if (wide) {
        put(crafted, 0, &header, sizeof header);
        return;
    }
    Elf32_Ehdr narrow = {.e_type = header.e_type,
                         .e_machine = header.e_machine,
                         .e_version = EV_CURRENT,
                         .e_phoff = CRAFTED_PHDRS,
                         .e_shoff = CRAFTED_SHDRS,
                         .e_ehsize = sizeof narrow,
                         .e_phentsize = sizeof(Elf32_Phdr),
                         .e_phnum = header.e_phnum,
                         .e_shentsize = sizeof(Elf32_Shdr),
                         .e_shnum = header.e_shnum,
                         .e_shstrndx = header.e_shstrndx};
    memcpy(narrow.e_ident, header.e_ident, EI_NIDENT);
    put(crafted, 0, &narrow, sizeof narrow);
}

static void put_segment(struct crafted *crafted, unsigned index, uint32_t type, uint32_t flags,
                        uint32_t offset, uint32_t size, uint32_t in_memory) {
    if (crafted->word_size == 8) {
        Elf64_Phdr segment = {type, flags, offset, offset, offset, size, in_memory, CRAFTED_PAGE};
        put(crafted, CRAFTED_PHDRS + index * sizeof segment, &segment, sizeof segment);
    } else {
        Elf32_Phdr segment = {type, offset, offset, offset, size, in_memory, flags, CRAFTED_PAGE};
        put(crafted, CRAFTED_PHDRS + index * sizeof segment, &segment, sizeof segment);
    }
}

static void put_symbol(struct crafted *crafted, size_t table, unsigned index, uint32_t name,
                       uint16_t section, uint32_t value) {
    if (crafted->word_size == 8) {
        Elf64_Sym symbol = {.st_name = name,
                            .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
                            .st_shndx = section,
                            .st_value = value,
                            .st_size = 8};
        put(crafted, table + index * sizeof symbol, &symbol, sizeof symbol);
    } else {
        Elf32_Sym symbol = {.st_name = name,
                            .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_OBJECT),
                            .st_shndx = section,
                            .st_value = value,
                            .st_size = 8};
        put(crafted, table + index * sizeof symbol, &symbol, sizeof symbol);
    }
}

static void put_section(struct crafted *crafted, unsigned index, uint32_t name, uint32_t type,
                        uint32_t flags, uint32_t offset, uint32_t size, uint32_t link) {
    uint32_t address = (flags & SHF_ALLOC) != 0 ? offset : 0;
    if (crafted->word_size == 8) {
        Elf64_Shdr section = {.sh_name = name,
                              .sh_type = type,
                              .sh_flags = flags,
                              .sh_addr = address,
                              .sh_offset = offset,
                              .sh_size = size,
                              .sh_link = link};
        put(crafted, CRAFTED_SHDRS + index * sizeof section, &section, sizeof section);
    } else {
        Elf32_Shdr section = {.sh_name = name,
                              .sh_type = type,
                              .sh_flags = flags,
                              .sh_addr = address,
                              .sh_offset = offset,
                              .sh_size = size,
                              .sh_link = link};
        put(crafted, CRAFTED_SHDRS + index * sizeof section, &section, sizeof section);
    }
}

static uint32_t gnu_hash_of(const char *name) {
    uint32_t hash = 5381;
    while (*name != '\0') {
        hash = hash * 33 + (uint8_t)*name++;
    }
    return hash;
}

/* One bucket with all defined symbols, which are the ones from the second on. */
static void put_gnu_hash(struct crafted *crafted) {
    uint32_t header[4] = {1, 2, 1, 0};
    size_t at = CRAFTED_HASH;
    put(crafted, at, header, sizeof header);
    at += sizeof header;
    put_word(crafted, at, UINT64_MAX);
    at += crafted->word_size;
    uint32_t chain[4] = {2, gnu_hash_of("first") & ~1U, gnu_hash_of("_PyRuntime") & ~1U,
                         gnu_hash_of("Py_Version") | 1U};
    put(crafted, at, chain, sizeof chain);
}

static void put_sysv_hash(struct crafted *crafted) {
    uint32_t table[] = {1, 5, 4, 0, 0, 1, 2, 3};
    put(crafted, CRAFTED_HASH, table, sizeof table);
}

static void put_dynamic(struct crafted *crafted, enum crafted_hash hash) {
    const uint64_t entries[][2] = {
        {DT_SYMTAB, CRAFTED_DYNSYM},
        {DT_STRTAB, CRAFTED_DYNSTR},
        {DT_STRSZ, sizeof strings},
        {hash == CRAFTED_GNU_HASH ? DT_GNU_HASH : DT_HASH, CRAFTED_HASH},
        {DT_NULL, 0},
    };
    for (unsigned i = 0; i < sizeof entries / sizeof *entries; ++i) {
        size_t at = CRAFTED_DYNAMIC + i * 2 * crafted->word_size;
        put_word(crafted, at, entries[i][0]);
        put_word(crafted, at + crafted->word_size, entries[i][1]);
    }
}

static void put_note(struct crafted *crafted) {
    Elf64_Nhdr note = {.n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID};
    put(crafted, CRAFTED_NOTE, &note, sizeof note);
    put(crafted, CRAFTED_NOTE + sizeof note, "GNU", 4);
    for (uint8_t i = 0; i < 20; ++i) {
        crafted->bytes[CRAFTED_NOTE + sizeof note + 4 + i] = (uint8_t)(i + 1);
    }
}

static void put_sections(struct crafted *crafted) {
    uint32_t symbol = crafted->word_size == 8 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    put_section(crafted, 1, NAME_RUNTIME, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, CRAFTED_RUNTIME,
                0x20, 0);
    put_section(crafted, 2, NAME_SYMTAB, SHT_SYMTAB, 0, CRAFTED_SYMTAB, 4 * symbol, 3);
    put_section(crafted, 3, NAME_STRTAB, SHT_STRTAB, 0, CRAFTED_STRTAB, sizeof all_strings, 0);
    put_section(crafted, 4, NAME_SHSTRTAB, SHT_STRTAB, 0, CRAFTED_SHSTRTAB, sizeof section_names,
                0);
    put_section(crafted, 5, NAME_BSS, SHT_NOBITS, 0, 0, 0, 0);
    put(crafted, CRAFTED_SHSTRTAB, section_names, sizeof section_names);
    put(crafted, CRAFTED_STRTAB, all_strings, sizeof all_strings);
    put_symbol(crafted, CRAFTED_SYMTAB, 1, AT_UNRELATED, 1, CRAFTED_RUNTIME);
    put_symbol(crafted, CRAFTED_SYMTAB, 2, AT_LOCAL, SHN_UNDEF, 0);
    put_symbol(crafted, CRAFTED_SYMTAB, 3, AT_LOCAL, 1, CRAFTED_LOCAL);
}

void crafted_make(struct crafted *crafted, unsigned word_size, enum crafted_hash hash) {
    *crafted = (struct crafted){.word_size = word_size, .process = PROCESS_NONE};
    put_file_header(crafted);
    put_segment(crafted, 0, PT_LOAD, PF_R, 0, CRAFTED_PAGE, CRAFTED_PAGE);
    put_segment(crafted, 1, PT_LOAD, PF_R | PF_W, CRAFTED_PAGE, CRAFTED_PAGE, CRAFTED_PAGE);
    put_segment(crafted, 2, PT_DYNAMIC, PF_R | PF_W, CRAFTED_DYNAMIC, 0x100, 0x100);
    put_segment(crafted, 3, PT_NOTE, PF_R, CRAFTED_NOTE, 36, 36);
    put(crafted, CRAFTED_DYNSTR, strings, sizeof strings);
    put_symbol(crafted, CRAFTED_DYNSYM, 1, AT_UNDEFINED, SHN_UNDEF, 0);
    put_symbol(crafted, CRAFTED_DYNSYM, 2, AT_FIRST, 1, CRAFTED_RUNTIME - 16);
    put_symbol(crafted, CRAFTED_DYNSYM, 3, AT_RUNTIME, 1, CRAFTED_RUNTIME);
    put_symbol(crafted, CRAFTED_DYNSYM, 4, AT_VERSION, 1, CRAFTED_VERSION);
    (hash == CRAFTED_GNU_HASH ? put_gnu_hash : put_sysv_hash)(crafted);
    put_dynamic(crafted, hash);
    put_note(crafted);
    put_sections(crafted);
}

void crafted_map(struct crafted *crafted) {
    int fd = open(crafted->path, O_RDONLY | O_CLOEXEC);
    /* Addresses of a 32-bit object have to fit it. */
    int below = crafted->word_size == 4 ? MAP_32BIT : 0;
    crafted->base = mmap(NULL, CRAFTED_LOADED, PROT_READ, MAP_PRIVATE | below, fd, 0);
    cr_assert_neq(crafted->base, MAP_FAILED);
    cr_assert_neq(mmap(crafted->base + CRAFTED_PAGE, CRAFTED_PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_FIXED, fd, CRAFTED_PAGE),
                  MAP_FAILED);
    (void)close(fd);
}

void crafted_look(struct crafted *crafted, pid_t pid) {
    process_close(&crafted->process);
    mappings_deinit(&crafted->mappings);
    struct error error = {.text = ""};
    cr_assert_eq(process_open(pid, &crafted->process, &error), STATUS_OK, "%s", error.text);
    cr_assert_eq(mappings_read(&crafted->process, &crafted->mappings, &error), STATUS_OK);
    size_t position = 0;
    while (mappings_next_object(&crafted->mappings, &position, &crafted->object)) {
        if (crafted->object.first->start.v == (uintptr_t)crafted->base) {
            return;
        }
    }
    cr_assert_fail("the object is not among the mappings");
}

void crafted_write(struct crafted *crafted, const char *name) {
    (void)snprintf(crafted->path, sizeof crafted->path, "%s", child_path(name));
    int fd = open(crafted->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert_eq(write(fd, crafted->bytes, CRAFTED_SIZE), CRAFTED_SIZE);
    (void)close(fd);
}

void crafted_load(struct crafted *crafted, const char *name) {
    crafted_write(crafted, name);
    crafted_map(crafted);
    crafted_look(crafted, getpid());
}

void crafted_unload(struct crafted *crafted) {
    (void)munmap(crafted->base, CRAFTED_LOADED);
    (void)unlink(crafted->path);
    mappings_deinit(&crafted->mappings);
    process_close(&crafted->process);
}
