#include "daemon/target/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/guard.h"

enum {
    SECTIONS_MAX = 1024, /* of a linked object; compilers and linkers make about 40 */
    NAMES_MAX = 1 << 16, /* bytes of the section names */
    PIECE = 1 << 17,     /* bytes of a table read at once */
    TABLE_MAX = 1 << 26, /* bytes of a symbol or string table */
    SAME_NAMES_MAX = 64, /* places at which one name may end in a string table */
};

struct elf_file {
    const struct elf_image *image;
    int fd;
    enum mapped_file_way way;
    size_t section_count;
    Elf64_Shdr *sections;
    char *names; /* NUL-terminated */
    size_t names_size;
};

/* All `size` bytes at `offset`. CORRUPT when the file ends before. */
static enum status bytes_read(int fd, void *out, size_t size, uint64_t offset) {
    size_t used = 0;
    if (offset > INT64_MAX - size) {
        return STATUS_CORRUPT;
    }
    while (used < size) {
        ssize_t got = pread(fd, (uint8_t *)out + used, size - used, (off_t)(offset + used));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return status_from_errno(errno);
        }
        if (got == 0) {
            return STATUS_CORRUPT;
        }
        used += (size_t)got;
    }
    return STATUS_OK;
}

static bool is_wide(const struct elf_file *file) {
    return file->image->memory.word_size == 8;
}

static Elf64_Shdr section_widen(const Elf32_Shdr *narrow) {
    return (Elf64_Shdr){.sh_name = narrow->sh_name,
                        .sh_type = narrow->sh_type,
                        .sh_flags = narrow->sh_flags,
                        .sh_addr = narrow->sh_addr,
                        .sh_offset = narrow->sh_offset,
                        .sh_size = narrow->sh_size,
                        .sh_link = narrow->sh_link,
                        .sh_entsize = narrow->sh_entsize};
}

/* Where the section headers are: what the file's header, which is the one in memory, says. */
struct section_table {
    uint64_t offset;
    size_t count, entry, names;
};

static struct section_table section_table_of(const struct elf_file *file) {
    Elf64_Ehdr wide;
    Elf32_Ehdr narrow;
    memcpy(&wide, file->image->head, sizeof wide);
    memcpy(&narrow, file->image->head, sizeof narrow);
    if (is_wide(file)) {
        return (struct section_table){wide.e_shoff, wide.e_shnum, wide.e_shentsize,
                                      wide.e_shstrndx};
    }
    return (struct section_table){narrow.e_shoff, narrow.e_shnum, narrow.e_shentsize,
                                  narrow.e_shstrndx};
}

static enum status sections_read(struct elf_file *file) {
    struct section_table table = section_table_of(file);
    size_t entry = is_wide(file) ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    if (table.count == 0 || table.offset == 0) {
        return STATUS_ABSENT;
    }
    if (table.entry != entry || table.count > SECTIONS_MAX || table.names >= table.count) {
        return STATUS_CORRUPT;
    }
    GUARD_FREE uint8_t *bytes = malloc(table.count * entry);
    file->sections = calloc(table.count, sizeof *file->sections);
    if (bytes == NULL || file->sections == NULL) {
        return STATUS_NOMEM;
    }
    enum status status = bytes_read(file->fd, bytes, table.count * entry, table.offset);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < table.count; ++i) {
        if (is_wide(file)) {
            memcpy(&file->sections[i], bytes + i * entry, entry);
        } else {
            Elf32_Shdr narrow;
            memcpy(&narrow, bytes + i * entry, entry);
            file->sections[i] = section_widen(&narrow);
        }
    }
    file->section_count = table.count;

    const Elf64_Shdr *names = &file->sections[table.names];
    if (names->sh_type != SHT_STRTAB || names->sh_size > NAMES_MAX) {
        return STATUS_CORRUPT;
    }
    file->names_size = (size_t)names->sh_size;
    file->names = calloc(1, file->names_size + 1);
    return file->names == NULL
               ? STATUS_NOMEM
               : bytes_read(file->fd, file->names, file->names_size, names->sh_offset);
}

enum status elf_file_open(const struct process *process, const struct mapped_object *object,
                          const struct elf_image *image, struct elf_file **out) {
    struct elf_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return STATUS_NOMEM;
    }
    file->image = image;
    file->fd = -1;
    enum status status = mapped_file_open(process, object->first, image, &file->fd, &file->way);
    if (status == STATUS_OK) {
        status = sections_read(file);
    }
    if (status != STATUS_OK) {
        elf_file_close(file);
        return status;
    }
    *out = file;
    return STATUS_OK;
}

void elf_file_close(struct elf_file *file) {
    if (file == NULL) {
        return;
    }
    guard_fd_close(&file->fd);
    free(file->sections);
    free(file->names);
    free(file);
}

enum mapped_file_way elf_file_way(const struct elf_file *file) {
    return file->way;
}

/* An address in the file, moved to where it was loaded. CORRUPT if that is outside of the object.
 */
static enum status address_of(const struct elf_file *file, uint64_t in_file, uint64_t size,
                              struct raddr *out) {
    uint64_t moved = in_file + file->image->bias;
    struct raddr address = raddr_make(is_wide(file) ? moved : (uint32_t)moved);
    if (!elf_image_holds(file->image, address, size)) {
        return STATUS_CORRUPT;
    }
    *out = address;
    return STATUS_OK;
}

enum status elf_file_section(const struct elf_file *file, const char *name, struct raddr *address,
                             uint64_t *size) {
    for (size_t i = 0; i < file->section_count; ++i) {
        const Elf64_Shdr *section = &file->sections[i];
        if ((section->sh_flags & SHF_ALLOC) == 0 || section->sh_name >= file->names_size ||
            strcmp(file->names + section->sh_name, name) != 0) {
            continue;
        }
        enum status status = address_of(file, section->sh_addr, section->sh_size, address);
        if (status == STATUS_OK) {
            *size = section->sh_size;
        }
        return status;
    }
    return STATUS_ABSENT;
}

/* Where in a string table a name stands. Linkers share tails, so it may stand behind anything; and
 * usually it stands there once. */
struct places {
    uint32_t at[SAME_NAMES_MAX];
    size_t count;
};

static bool places_have(const struct places *places, uint32_t at) {
    for (size_t i = 0; i < places->count; ++i) {
        if (places->at[i] == at) {
            return true;
        }
    }
    return false;
}

/* Goes through the string table by pieces which overlap by a name's length. */
static enum status places_find(const struct elf_file *file, const Elf64_Shdr *strings,
                               const char *name, uint8_t *piece, struct places *places) {
    const size_t length = strlen(name) + 1;
    for (uint64_t begin = 0; strings->sh_size - begin >= length;) {
        uint64_t left = strings->sh_size - begin;
        size_t size = left < PIECE ? (size_t)left : PIECE;
        enum status status = bytes_read(file->fd, piece, size, strings->sh_offset + begin);
        if (status != STATUS_OK) {
            return status;
        }
        const uint8_t *from = piece;
        for (const uint8_t *hit;
             (hit = memmem(from, size - (size_t)(from - piece), name, length)) != NULL;
             from = hit + 1) {
            if (places->count == SAME_NAMES_MAX) {
                return STATUS_CORRUPT;
            }
            places->at[places->count++] = (uint32_t)(begin + (size_t)(hit - piece));
        }
        begin += size == left ? size : size - length + 1;
    }
    return STATUS_OK;
}

static Elf64_Sym symbol_at(const struct elf_file *file, const uint8_t *bytes) {
    Elf64_Sym symbol;
    if (is_wide(file)) {
        memcpy(&symbol, bytes, sizeof symbol);
        return symbol;
    }
    Elf32_Sym narrow;
    memcpy(&narrow, bytes, sizeof narrow);
    return (Elf64_Sym){.st_name = narrow.st_name,
                       .st_info = narrow.st_info,
                       .st_shndx = narrow.st_shndx,
                       .st_value = narrow.st_value};
}

/* Goes through the symbols for one whose name stands at one of the places. */
static enum status symbol_find(const struct elf_file *file, const Elf64_Shdr *symbols,
                               const struct places *places, uint8_t *piece, struct raddr *out) {
    const size_t entry = is_wide(file) ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    const size_t step = PIECE / entry * entry;
    for (uint64_t begin = 0; symbols->sh_size - begin >= entry;) {
        uint64_t left = (symbols->sh_size - begin) / entry * entry;
        size_t size = left < step ? (size_t)left : step;
        enum status status = bytes_read(file->fd, piece, size, symbols->sh_offset + begin);
        if (status != STATUS_OK) {
            return status;
        }
        for (size_t at = 0; at < size; at += entry) {
            Elf64_Sym symbol = symbol_at(file, piece + at);
            if (symbol.st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol.st_info) != STT_TLS &&
                places_have(places, symbol.st_name)) {
                return address_of(file, symbol.st_value, 1, out);
            }
        }
        begin += size;
    }
    return STATUS_ABSENT;
}

enum status elf_file_symbol(const struct elf_file *file, const char *name, struct raddr *out) {
    const Elf64_Shdr *symbols = NULL;
    for (size_t i = 0; i < file->section_count && symbols == NULL; ++i) {
        symbols = file->sections[i].sh_type == SHT_SYMTAB ? &file->sections[i] : NULL;
    }
    if (symbols == NULL) {
        return STATUS_ABSENT;
    }
    const Elf64_Shdr *strings =
        symbols->sh_link < file->section_count ? &file->sections[symbols->sh_link] : NULL;
    if (strings == NULL || strings->sh_type != SHT_STRTAB) {
        return STATUS_CORRUPT;
    }
    if (symbols->sh_size > TABLE_MAX || strings->sh_size > TABLE_MAX) {
        return STATUS_UNSUPPORTED;
    }
    GUARD_FREE uint8_t *piece = malloc(PIECE);
    if (piece == NULL) {
        return STATUS_NOMEM;
    }
    struct places places = {.count = 0};
    enum status status = places_find(file, strings, name, piece, &places);
    if (status == STATUS_OK && places.count == 0) {
        status = STATUS_ABSENT;
    }
    return status == STATUS_OK ? symbol_find(file, symbols, &places, piece, out) : status;
}
