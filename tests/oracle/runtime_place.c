#include "tests/oracle/subject.h"

#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/guard.h"

struct image {
    uint64_t start, end; /* the mapping of the file's beginning */
    char path[512];
};

static void elf_close(Elf **elf) {
    if (*elf != NULL) {
        (void)elf_end(*elf);
    }
}

#define GUARD_ELF __attribute__((cleanup(elf_close)))

/* libpython3.12.so.1.0, python3.12: 12. 0 for other names. */
static unsigned minor_of(const char *path) {
    const char *name = strrchr(path, '/');
    name = name == NULL ? path : name + 1;
    unsigned minor;
    if (sscanf(name, "libpython3.%u", &minor) == 1 || sscanf(name, "python3.%u", &minor) == 1) {
        return minor;
    }
    return 0;
}

/* The file behind a mapping, also where its path leads elsewhere or nowhere for us. */
static int image_open(pid_t pid, const struct image *image) {
    char path[640];
    (void)snprintf(path, sizeof path, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, image->start,
                   image->end);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)snprintf(path, sizeof path, "/proc/%d/root%s", pid, image->path);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return fd;
}

static bool symbol_find(Elf *elf, uint64_t *value) {
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == NULL || header.sh_entsize == 0 ||
            (header.sh_type != SHT_DYNSYM && header.sh_type != SHT_SYMTAB)) {
            continue;
        }
        Elf_Data *data = elf_getdata(section, NULL);
        int count = (int)(header.sh_size / header.sh_entsize);
        for (int i = 0; data != NULL && i < count; ++i) {
            GElf_Sym symbol;
            if (gelf_getsym(data, i, &symbol) == NULL || symbol.st_value == 0) {
                continue;
            }
            const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);
            if (name != NULL && strcmp(name, "_PyRuntime") == 0) {
                *value = symbol.st_value;
                return true;
            }
        }
    }
    return false;
}

/* Where the file's byte 0 would be mapped when its addresses were taken literally. */
static bool first_load(Elf *elf, uint64_t *address) {
    size_t count;
    if (elf_getphdrnum(elf, &count) != 0) {
        return false;
    }
    for (size_t i = 0; i < count; ++i) {
        GElf_Phdr header;
        if (gelf_getphdr(elf, (int)i, &header) != NULL && header.p_type == PT_LOAD) {
            *address = header.p_vaddr - header.p_offset;
            return true;
        }
    }
    return false;
}

static bool image_examine(pid_t pid, const struct image *image, struct runtime_place *out) {
    GUARD_FD int fd = image_open(pid, image);
    if (fd < 0) {
        return false;
    }
    GUARD_ELF Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    uint64_t symbol, first;
    if (elf == NULL || !symbol_find(elf, &symbol) || !first_load(elf, &first)) {
        return false;
    }
    *out = (struct runtime_place){
        .address = image->start + (symbol - first),
        .minor = minor_of(image->path),
        .word_size = gelf_getclass(elf) == ELFCLASS32 ? 4 : 8,
    };
    return true;
}

enum status runtime_place_find(pid_t pid, struct runtime_place *out, struct error *error) {
    char line[1024];
    (void)snprintf(line, sizeof line, "/proc/%d/maps", pid);
    GUARD_FILE FILE *maps = fopen(line, "re");
    if (maps == NULL) {
        return error_set(error, STATUS_GONE, "process %d cannot be looked at", pid);
    }
    (void)elf_version(EV_CURRENT);
    while (fgets(line, sizeof line, maps) != NULL) {
        struct image image;
        uint64_t offset;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %511s", &image.start,
                   &image.end, &offset, image.path) == 4 &&
            offset == 0 && minor_of(image.path) != 0 && image_examine(pid, &image, out)) {
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_ABSENT, "process %d maps no python3.N that has _PyRuntime", pid);
}
