#include "daemon/target/elf_image.h"

#include <elf.h>
#include <string.h>

enum {
    PAGE_BYTES = 4096,
    SEGMENTS_MAX = 64,    /* program headers; linkers make about a dozen */
    DYNAMIC_MAX = 512,    /* entries of the dynamic section; about 30 */
    CHAIN_MAX = 4096,     /* symbols in one chain of a hash table; two or three */
    CHAIN_STEP = 32,      /* hashes read at once */
    SYMBOL_NAME_MAX = 64, /* of those that we look for */
};

/* The largest object that we believe in: more than any real one, and no address wraps. */
#define EXTENT_MAX (UINT64_C(1) << 40)

static bool is_wide(const struct elf_image *image) {
    return image->memory.word_size == 8;
}

/* An address in the file, moved to where it was loaded. */
static struct raddr address_of(const struct elf_image *image, uint64_t in_file) {
    uint64_t address = in_file + image->bias;
    return raddr_make(is_wide(image) ? address : (uint32_t)address);
}

/* What both classes of ELF say in different widths, as the wider one. */
struct headers {
    Elf64_Ehdr file;
    Elf64_Phdr segments[SEGMENTS_MAX];
};

static Elf64_Phdr segment_widen(const Elf32_Phdr *narrow) {
    return (Elf64_Phdr){.p_type = narrow->p_type,
                        .p_flags = narrow->p_flags,
                        .p_offset = narrow->p_offset,
                        .p_vaddr = narrow->p_vaddr,
                        .p_filesz = narrow->p_filesz,
                        .p_memsz = narrow->p_memsz};
}

/* Checks the identification and copies the file header. */
static enum status file_header_parse(struct elf_image *image, Elf64_Ehdr *out) {
    const uint8_t *head = image->head;
    if (image->head_size < sizeof(Elf64_Ehdr) || memcmp(head, ELFMAG, SELFMAG) != 0) {
        return STATUS_ABSENT;
    }
    Elf32_Ehdr narrow;
    memcpy(&narrow, head, sizeof narrow);
    memcpy(out, head, sizeof *out);
    if (head[EI_DATA] != ELFDATA2LSB ||
        (head[EI_CLASS] != ELFCLASS64 && head[EI_CLASS] != ELFCLASS32)) {
        return STATUS_UNSUPPORTED;
    }
    bool wide = head[EI_CLASS] == ELFCLASS64;
    if (!wide) {
        out->e_phoff = narrow.e_phoff;
        out->e_phentsize = narrow.e_phentsize;
        out->e_phnum = narrow.e_phnum;
    }
    image->memory.word_size = wide ? 8 : 4;
    image->type = out->e_type;
    image->machine = out->e_machine;
    if (image->machine != (wide ? EM_X86_64 : EM_386)) {
        return STATUS_UNSUPPORTED;
    }
    bool loadable = image->type == ET_EXEC || image->type == ET_DYN;
    size_t entry = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    if (!loadable || out->e_phentsize != entry || out->e_phnum == 0 ||
        out->e_phnum > SEGMENTS_MAX) {
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

/* Reads the program headers, which the first mapping must hold: the loader needed them too. */
static enum status segments_read(struct elf_image *image, const struct mapping *first,
                                 struct headers *headers) {
    uint8_t bytes[SEGMENTS_MAX * sizeof(Elf64_Phdr)];
    size_t entry = headers->file.e_phentsize;
    size_t size = headers->file.e_phnum * entry;
    uint64_t extent = first->end.v - first->start.v;
    if (size > extent || headers->file.e_phoff > extent - size) {
        return STATUS_CORRUPT;
    }
    uint64_t headers_end = headers->file.e_phoff + size;
    image->headers_size = headers_end < image->head_size ? (uint32_t)headers_end : image->head_size;
    if (first->writable) { /* data in the same page may have changed */
        image->head_size = image->headers_size;
    }
    struct raddr at = raddr_add(first->start, headers->file.e_phoff);
    enum status status = memory_read(&image->memory, at, bytes, size);
    for (size_t i = 0; status == STATUS_OK && i < headers->file.e_phnum; ++i) {
        if (is_wide(image)) {
            memcpy(&headers->segments[i], bytes + i * entry, sizeof headers->segments[i]);
        } else {
            Elf32_Phdr narrow;
            memcpy(&narrow, bytes + i * entry, sizeof narrow);
            headers->segments[i] = segment_widen(&narrow);
        }
    }
    return status;
}

static uint64_t page_of(uint64_t value) {
    return value & ~(uint64_t)(PAGE_BYTES - 1);
}

/* Finds how far the object was moved: its segment with the headers lies at the first mapping. Sets
 * the image's bias and extent. */
static enum status layout_find_bias(struct elf_image *image, const struct mapping *first,
                                    const struct headers *headers) {
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;
    bool found = false;
    for (size_t i = 0; i < headers->file.e_phnum; ++i) {
        const Elf64_Phdr *segment = &headers->segments[i];
        uint64_t end = 0;
        if (segment->p_type != PT_LOAD) {
            continue;
        }
        if (__builtin_add_overflow(segment->p_vaddr, segment->p_memsz, &end)) {
            return STATUS_CORRUPT;
        }
        low = segment->p_vaddr < low ? segment->p_vaddr : low;
        high = end > high ? end : high;
        if (!found && page_of(segment->p_offset) == 0 && segment->p_filesz > 0) {
            image->bias = first->start.v - page_of(segment->p_vaddr);
            found = true;
        }
    }
    if (!found || high <= low || high - low > EXTENT_MAX) {
        return STATUS_CORRUPT;
    }
    if (image->type == ET_EXEC && image->bias != 0) {
        return STATUS_ABSENT; /* somebody reads the file as data */
    }
    image->start = address_of(image, page_of(low));
    image->end = address_of(image, high);
    return image->start.v < image->end.v ? STATUS_OK : STATUS_CORRUPT;
}

/* Whether the mappings are those of a loaded object: each segment with bytes from the file begins
 * in a mapping of that part of the file. A file that was merely mapped to be read fails this. */
static bool layout_is_loaded(const struct elf_image *image, const struct mapped_object *object,
                             const struct headers *headers) {
    for (size_t i = 0; i < headers->file.e_phnum; ++i) {
        const Elf64_Phdr *segment = &headers->segments[i];
        /* Only data is checked: text may have been moved to huge pages. */
        if (segment->p_type != PT_LOAD || segment->p_filesz == 0 ||
            (segment->p_flags & PF_W) == 0) {
            continue;
        }
        struct raddr at = address_of(image, page_of(segment->p_vaddr));
        bool found = false;
        for (const struct mapping *item = object->first; item <= object->last && !found; ++item) {
            found = mapped_object_owns(object, item) && at.v >= item->start.v &&
                    at.v < item->end.v &&
                    at.v - item->start.v + item->offset == page_of(segment->p_offset);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* A pointer of the dynamic section: glibc relocates these in place, musl does not. */
static struct raddr dynamic_address(const struct elf_image *image, uint64_t value) {
    if (value >= image->start.v && value < image->end.v) {
        return raddr_make(value);
    }
    return address_of(image, value);
}

static void dynamic_take(struct elf_image *image, uint64_t tag, uint64_t value) {
    switch (tag) {
    case DT_SYMTAB:
        image->dynamic.symbols = dynamic_address(image, value);
        break;
    case DT_STRTAB:
        image->dynamic.strings = dynamic_address(image, value);
        break;
    case DT_STRSZ:
        image->dynamic.strings_size = value;
        break;
    case DT_GNU_HASH:
        image->dynamic.gnu_hash = dynamic_address(image, value);
        break;
    case DT_HASH:
        image->dynamic.hash = dynamic_address(image, value);
        break;
    default:
        break;
    }
}

static enum status dynamic_read(struct elf_image *image, const struct headers *headers) {
    uint8_t bytes[DYNAMIC_MAX * sizeof(Elf64_Dyn)];
    const size_t word = image->memory.word_size;
    for (size_t i = 0; i < headers->file.e_phnum; ++i) {
        const Elf64_Phdr *segment = &headers->segments[i];
        if (segment->p_type != PT_DYNAMIC) {
            continue;
        }
        const size_t most = (size_t)DYNAMIC_MAX * 2 * word;
        const size_t size = segment->p_memsz < most ? (size_t)segment->p_memsz : most;
        enum status status =
            memory_read(&image->memory, address_of(image, segment->p_vaddr), bytes, size);
        if (status != STATUS_OK) {
            return status;
        }
        for (size_t at = 0; at + 2 * word <= size; at += 2 * word) {
            uint64_t tag = 0;
            uint64_t value = 0;
            memcpy(&tag, bytes + at, word);
            memcpy(&value, bytes + at + word, word);
            if (tag == DT_NULL) {
                break;
            }
            dynamic_take(image, tag, value);
        }
        return STATUS_OK;
    }
    return STATUS_OK;
}

static void notes_find(struct elf_image *image, const struct headers *headers) {
    size_t count = 0;
    for (size_t i = 0; i < headers->file.e_phnum && count < ELF_IMAGE_NOTES; ++i) {
        if (headers->segments[i].p_type == PT_NOTE) {
            image->notes[count].at = address_of(image, headers->segments[i].p_vaddr);
            image->notes[count++].size = headers->segments[i].p_memsz;
        }
    }
}

enum status elf_image_read(const struct process *process, const struct mapped_object *object,
                           struct elf_image *out) {
    struct elf_image image = {.memory = process_memory(process)};
    uint64_t extent = object->first->end.v - object->first->start.v;
    image.head_size = extent < ELF_IMAGE_HEAD ? (uint32_t)extent : ELF_IMAGE_HEAD;
    if (!object->first->readable) {
        return STATUS_ABSENT;
    }
    enum status status =
        memory_read(&image.memory, object->first->start, image.head, image.head_size);
    struct headers headers = {.file = {.e_phnum = 0}};
    if (status == STATUS_OK) {
        status = file_header_parse(&image, &headers.file);
    }
    if (status == STATUS_OK) {
        status = segments_read(&image, object->first, &headers);
    }
    if (status == STATUS_OK) {
        status = layout_find_bias(&image, object->first, &headers);
    }
    if (status == STATUS_OK && !layout_is_loaded(&image, object, &headers)) {
        status = STATUS_ABSENT;
    }
    if (status == STATUS_OK) {
        status = dynamic_read(&image, &headers);
    }
    if (status == STATUS_OK) {
        notes_find(&image, &headers);
        *out = image;
    }
    return status;
}

bool elf_image_holds(const struct elf_image *image, struct raddr address, uint64_t size) {
    return address.v >= image->start.v && address.v < image->end.v &&
           size <= image->end.v - address.v;
}

/* Whether symbol `index` is a definition of `name`; then its address. ABSENT if not. */
static enum status symbol_check(const struct elf_image *image, uint32_t index, const char *name,
                                struct raddr *out) {
    const size_t size = is_wide(image) ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    uint8_t bytes[sizeof(Elf64_Sym)];
    struct raddr at = raddr_add(image->dynamic.symbols, index * size);
    enum status status = memory_read(&image->memory, at, bytes, size);
    if (status != STATUS_OK) {
        return status;
    }
    Elf64_Sym symbol;
    memcpy(&symbol, bytes, sizeof symbol);
    if (!is_wide(image)) {
        Elf32_Sym narrow;
        memcpy(&narrow, bytes, sizeof narrow);
        symbol = (Elf64_Sym){.st_name = narrow.st_name,
                             .st_info = narrow.st_info,
                             .st_shndx = narrow.st_shndx,
                             .st_value = narrow.st_value};
    }
    char found[SYMBOL_NAME_MAX];
    size_t length = strlen(name) + 1;
    if (symbol.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol.st_info) == STT_TLS ||
        length > sizeof found || symbol.st_name >= image->dynamic.strings_size ||
        length > image->dynamic.strings_size - symbol.st_name) {
        return STATUS_ABSENT;
    }
    status = memory_read(&image->memory, raddr_add(image->dynamic.strings, symbol.st_name), found,
                         length);
    if (status != STATUS_OK) {
        return status;
    }
    struct raddr address = address_of(image, symbol.st_value);
    if (memcmp(found, name, length) != 0 || !elf_image_holds(image, address, 1)) {
        return STATUS_ABSENT;
    }
    *out = address;
    return STATUS_OK;
}

/* The hash functions of the two kinds of table, as the System V ABI and binutils define them. */
static uint32_t gnu_hash(const char *name) {
    uint32_t hash = 5381;
    for (; *name != '\0'; ++name) {
        hash = hash * 33 + (uint8_t)*name;
    }
    return hash;
}

static uint32_t sysv_hash(const char *name) {
    uint32_t hash = 0;
    for (; *name != '\0'; ++name) {
        hash = (hash << 4) + (uint8_t)*name;
        hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
    }
    return hash;
}

static enum status word32_read(const struct elf_image *image, struct raddr at, uint32_t *out) {
    return memory_read(&image->memory, at, out, sizeof *out);
}

/* Table of DT_GNU_HASH: four counts, a Bloom filter of words, the buckets, then for each hashed
 * symbol its hash, whose lowest bit ends a chain. */
static enum status gnu_lookup(const struct elf_image *image, const char *name, struct raddr *out) {
    struct {
        uint32_t buckets, first_symbol, filter_words, shift;
    } header;
    struct raddr table = image->dynamic.gnu_hash;
    enum status status = memory_read(&image->memory, table, &header, sizeof header);
    if (status != STATUS_OK) {
        return status;
    }
    if (header.buckets == 0) {
        return STATUS_ABSENT;
    }
    uint32_t hash = gnu_hash(name);
    struct raddr buckets =
        raddr_add(table, sizeof header + (uint64_t)header.filter_words * image->memory.word_size);
    struct raddr hashes = raddr_add(buckets, (uint64_t)header.buckets * sizeof(uint32_t));
    uint32_t index = 0;
    status = word32_read(image, raddr_add(buckets, hash % header.buckets * sizeof index), &index);
    if (status != STATUS_OK) {
        return status;
    }
    if (index < header.first_symbol) {
        return STATUS_ABSENT;
    }
    for (uint32_t seen = 0; seen < CHAIN_MAX; seen += CHAIN_STEP) {
        /* The table may end before a whole step: what could be read has to do. */
        uint32_t chain[CHAIN_STEP];
        uint64_t place = (uint64_t)index + seen;
        struct raddr at = raddr_add(hashes, (place - header.first_symbol) * sizeof *chain);
        struct iovec remote = {.iov_base = (void *)(uintptr_t)at.v, .iov_len = sizeof chain};
        size_t got = 0;
        status = memory_read_batch(&image->memory, chain, &remote, 1, &got);
        if (status != STATUS_OK) {
            return status;
        }
        for (uint32_t i = 0; i < got / sizeof *chain; ++i) {
            if ((chain[i] | 1) == (hash | 1)) {
                status = symbol_check(image, (uint32_t)place + i, name, out);
                if (status != STATUS_ABSENT) {
                    return status;
                }
            }
            if ((chain[i] & 1) != 0) {
                return STATUS_ABSENT;
            }
        }
        if (got < sizeof chain) {
            return STATUS_TORN;
        }
    }
    return STATUS_CORRUPT;
}

/* Table of DT_HASH: the numbers of buckets and of chain links, the buckets, the links. */
static enum status sysv_lookup(const struct elf_image *image, const char *name, struct raddr *out) {
    uint32_t header[2];
    struct raddr table = image->dynamic.hash;
    enum status status = memory_read(&image->memory, table, header, sizeof header);
    if (status != STATUS_OK) {
        return status;
    }
    if (header[0] == 0) {
        return STATUS_ABSENT;
    }
    struct raddr buckets = raddr_add(table, sizeof header);
    struct raddr links = raddr_add(buckets, (uint64_t)header[0] * sizeof(uint32_t));
    struct raddr next = raddr_add(buckets, sysv_hash(name) % header[0] * sizeof(uint32_t));
    for (uint32_t seen = 0; seen < CHAIN_MAX; ++seen) {
        uint32_t index = 0;
        status = word32_read(image, next, &index);
        if (status != STATUS_OK) {
            return status;
        }
        if (index == STN_UNDEF) {
            return STATUS_ABSENT;
        }
        status = symbol_check(image, index, name, out);
        if (status != STATUS_ABSENT) {
            return status;
        }
        next = raddr_add(links, (uint64_t)index * sizeof index);
    }
    return STATUS_CORRUPT;
}

enum status elf_image_symbol(const struct elf_image *image, const char *name, struct raddr *out) {
    if (raddr_is_null(image->dynamic.symbols) || raddr_is_null(image->dynamic.strings)) {
        return STATUS_ABSENT;
    }
    if (!raddr_is_null(image->dynamic.gnu_hash)) {
        return gnu_lookup(image, name, out);
    }
    return raddr_is_null(image->dynamic.hash) ? STATUS_ABSENT : sysv_lookup(image, name, out);
}
