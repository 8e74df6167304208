#include "shim/symbols.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>

enum { VERSION_HIDDEN = 0x8000 }; /* in DT_VERSYM: not the version that a new program gets */

/* The tables of an object; those that it lacks are NULL. */
struct object {
    ElfW(Addr) base;
    const ElfW(Sym) * symbols;
    const char *names;
    const uint32_t *gnu_hash, *hash;
    const ElfW(Half) * versions;
};

struct search {
    const char *name;
    bool after_own; /* only in objects after ours */
    bool own_seen;
    void *found;
};

/* glibc has made the addresses in the dynamic sections absolute, but for those of the vDSO. */
static const void *at(const struct dl_phdr_info *info, ElfW(Addr) address) {
    return (const void *)(address < info->dlpi_addr ? address + info->dlpi_addr : address);
}

static void read_dynamic(const struct dl_phdr_info *info, const ElfW(Dyn) * dynamic,
                         struct object *out) {
    *out = (struct object){.base = info->dlpi_addr};
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        const void *table = at(info, dynamic->d_un.d_ptr);
        switch (dynamic->d_tag) {
        case DT_SYMTAB:
            out->symbols = table;
            break;
        case DT_STRTAB:
            out->names = table;
            break;
        case DT_GNU_HASH:
            out->gnu_hash = table;
            break;
        case DT_HASH:
            out->hash = table;
            break;
        case DT_VERSYM:
            out->versions = table;
            break;
        default:
            break;
        }
    }
}

static bool is_it(const struct object *object, uint32_t index, const char *name) {
    const ElfW(Sym) *symbol = &object->symbols[index];
    unsigned type = ELF64_ST_TYPE(symbol->st_info); /* the same as ELF32_ST_TYPE */
    return symbol->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_OBJECT) &&
           ELF64_ST_BIND(symbol->st_info) != STB_LOCAL &&
           (object->versions == NULL || (object->versions[index] & VERSION_HIDDEN) == 0) &&
           strcmp(object->names + symbol->st_name, name) == 0;
}

static void *address_of(const struct object *object, uint32_t index) {
    return (void *)(object->base + object->symbols[index].st_value);
}

/* {buckets, first symbol, words of the filter, shift}, filter, buckets, chains; the last hash of a
 * chain has its lowest bit set. */
static void *find_by_gnu_hash(const struct object *object, const char *name) {
    const uint32_t *table = object->gnu_hash;
    const uint32_t *buckets = table + 4 + table[2] * (sizeof(ElfW(Addr)) / sizeof *table);
    const uint32_t *chains = buckets + table[0];
    uint32_t hash = 5381;
    for (const char *c = name; *c != '\0'; c++) {
        hash = hash * 33 + (unsigned char)*c;
    }
    uint32_t index = table[0] == 0 ? 0 : buckets[hash % table[0]];
    if (index < table[1]) {
        return NULL;
    }
    for (;; index++) {
        uint32_t other = chains[index - table[1]];
        if ((other | 1) == (hash | 1) && is_it(object, index, name)) {
            return address_of(object, index);
        }
        if ((other & 1) != 0) {
            return NULL;
        }
    }
}

/* {buckets, symbols}, buckets, chains. */
static void *find_by_hash(const struct object *object, const char *name) {
    const uint32_t *table = object->hash;
    for (uint32_t index = 1; index < table[1]; index++) {
        if (is_it(object, index, name)) {
            return address_of(object, index);
        }
    }
    return NULL;
}

static bool holds(const struct dl_phdr_info *info, uintptr_t address) {
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD &&
            address - (info->dlpi_addr + segment->p_vaddr) < segment->p_memsz) {
            return true;
        }
    }
    return false;
}

static bool is_own(const struct dl_phdr_info *info) {
    return holds(info, (uintptr_t)&symbols_find);
}

static int look_into(struct dl_phdr_info *info, size_t size, void *argument) {
    (void)size;
    struct search *search = argument;
    if (search->after_own && !search->own_seen) {
        search->own_seen = is_own(info);
        return 0;
    }
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_DYNAMIC) {
            continue;
        }
        struct object object;
        read_dynamic(info, (const ElfW(Dyn) *)(info->dlpi_addr + segment->p_vaddr), &object);
        if (object.symbols != NULL && object.names != NULL) {
            search->found = object.gnu_hash != NULL ? find_by_gnu_hash(&object, search->name)
                            : object.hash != NULL   ? find_by_hash(&object, search->name)
                                                    : NULL;
        }
        break;
    }
    return search->found != NULL;
}

void *symbols_find(const char *name) {
    struct search search = {.name = name};
    (void)dl_iterate_phdr(look_into, &search);
    return search.found;
}

void *symbols_find_next(const char *name) {
    struct search search = {.name = name, .after_own = true};
    (void)dl_iterate_phdr(look_into, &search);
    return search.found;
}

static int take_path(struct dl_phdr_info *info, size_t size, void *argument) {
    (void)size;
    const char **path = argument;
    if (is_own(info)) {
        *path = info->dlpi_name;
    }
    return *path != NULL;
}

bool symbols_own_path(char *out, size_t size) {
    const char *path = NULL;
    (void)dl_iterate_phdr(take_path, &path);
    if (path == NULL || strlen(path) >= size) {
        return false;
    }
    memcpy(out, path, strlen(path) + 1);
    return true;
}
