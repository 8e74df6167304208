#include "common/program_file.h"

#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/guard.h"

enum {
    LINE_LOOKED_AT = 256, /* what the kernel looks at for a script: BINPRM_BUF_SIZE */
    HEAD_MAX = 1024, /* read first: it has most objects' program headers, and their interpreter */
    INTERPRETER_MAX = 256,
    SCRIPT_LEVELS = 5,  /* scripts that are interpreters of scripts: exec_binprm() in fs/exec.c */
    SEGMENTS_MAX = 128, /* program headers; a real program has some ten */
    ENTRIES_MAX = 4096, /* of the dynamic section */
    ENTRIES_AT_ONCE = 32,
    NAME_MAX_LOOKED_AT = 64, /* of a library's name: the runtimes' are shorter */
};

/* A segment and a dynamic entry, of either word size. */
struct segment {
    uint32_t type;
    uint64_t offset, address, size;
};

struct entry {
    uint64_t tag, value;
};

/* The program that is looked at. */
struct image {
    int file;
    const unsigned char *head; /* its first bytes */
    size_t head_size;
    bool wide; /* 64 bits */
    uint64_t segments_at;
    uint16_t segment_count;
};

/* glibc's fstat is of version 2.33 where the shim must do with older ones; statx is the same for
 * both word sizes. */
static bool is_regular(int folder, const char *path) {
    struct statx status;
    int flags = AT_EMPTY_PATH | AT_NO_AUTOMOUNT;
    return syscall(SYS_statx, folder, path, flags, STATX_TYPE, &status) == 0 &&
           (status.stx_mask & STATX_TYPE) != 0 && S_ISREG(status.stx_mode);
}

/* "/proc/self/fd/N": a descriptor may be one that cannot be read through (O_PATH), or be shared. */
static void name_descriptor(int descriptor, char out[static 32]) {
    static const char folder[] = "/proc/self/fd/";
    char digits[12];
    unsigned count = 0;
    for (unsigned rest = (unsigned)descriptor; count == 0 || rest > 0; rest /= 10) {
        digits[count++] = (char)('0' + rest % 10);
    }
    memcpy(out, folder, sizeof folder);
    char *at = out + sizeof folder - 1;
    while (count > 0) {
        *at++ = digits[--count];
    }
    *at = '\0';
}

int program_file_open(int folder, const char *path) {
    char name[32];
    if (!is_regular(folder, path)) { /* also where `path` is no address: the kernel says so */
        return -1;
    }
    if (*path == '\0') {
        name_descriptor(folder, name);
        folder = AT_FDCWD;
        path = name;
    }
    int file = openat(folder, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file >= 0 && !is_regular(file, "")) { /* exchanged meanwhile */
        (void)close(file);
        return -1;
    }
    return file;
}

static bool read_whole(int file, uint64_t offset, void *out, size_t size) {
    return offset <= (uint64_t)INT64_MAX - size &&
           pread(file, out, size, (off_t)offset) == (ssize_t)size;
}

/* The string at `offset`, cut to what fits. */
static bool read_name(int file, uint64_t offset, char *out, size_t size) {
    if (offset > (uint64_t)INT64_MAX - size) {
        return false;
    }
    ssize_t got = pread(file, out, size - 1, (off_t)offset);
    if (got <= 0) {
        return false;
    }
    out[got] = '\0';
    return true;
}

static bool read_image(const struct image *image, uint64_t offset, void *out, size_t size) {
    if (offset <= image->head_size && size <= image->head_size - offset) {
        memcpy(out, image->head + offset, size);
        return true;
    }
    return read_whole(image->file, offset, out, size);
}

static bool read_segment(const struct image *image, uint64_t index, struct segment *out) {
    if (image->wide) {
        Elf64_Phdr header;
        if (!read_image(image, image->segments_at + index * sizeof header, &header,
                        sizeof header)) {
            return false;
        }
        *out = (struct segment){header.p_type, header.p_offset, header.p_vaddr, header.p_filesz};
        return true;
    }
    Elf32_Phdr header;
    if (!read_image(image, image->segments_at + index * sizeof header, &header, sizeof header)) {
        return false;
    }
    *out = (struct segment){header.p_type, header.p_offset, header.p_vaddr, header.p_filesz};
    return true;
}

static bool find_segment(const struct image *image, uint32_t type, struct segment *out) {
    for (unsigned i = 0; i < image->segment_count; i++) {
        if (!read_segment(image, i, out)) {
            return false;
        }
        if (out->type == type) {
            return true;
        }
    }
    return false;
}

/* Where in the file that address is. */
static bool find_address(const struct image *image, uint64_t address, uint64_t *offset) {
    struct segment segment;
    for (unsigned i = 0; i < image->segment_count && read_segment(image, i, &segment); i++) {
        if (segment.type == PT_LOAD && address >= segment.address &&
            address - segment.address < segment.size) {
            *offset = segment.offset + (address - segment.address);
            return true;
        }
    }
    return false;
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* glibc's loaders are ld-linux-x86-64.so.2 and ld-linux.so.2; musl's is ld-musl-*. */
static bool is_glibc_loader(const char *path) {
    const char *slash = strrchr(path, '/');
    return starts_with(slash == NULL ? path : slash + 1, "ld-linux");
}

static bool is_sanitizer(const char *name) {
    static const char *const runtimes[] = {"libasan.so", "libtsan.so", "liblsan.so",
                                           "libhwasan.so"};
    for (unsigned i = 0; i < sizeof runtimes / sizeof runtimes[0]; i++) {
        if (starts_with(name, runtimes[i])) {
            return true;
        }
    }
    return starts_with(name, "libclang_rt.") && strstr(name, "san") != NULL;
}

/* One pass over the dynamic section. With `names` 0: looks for where the names are. Otherwise:
 * whether a needed library is a sanitizer's runtime. */
struct pass {
    uint64_t names_address; /* found by the first */
    uint64_t names;         /* for the second: their place in the file */
    bool sanitizer, ended;
};

static void pass_entry(const struct image *image, struct pass *pass, struct entry entry) {
    char name[NAME_MAX_LOOKED_AT];
    if (entry.tag == DT_NULL) {
        pass->ended = true;
    } else if (entry.tag == DT_STRTAB) {
        pass->names_address = entry.value;
    } else if (entry.tag == DT_NEEDED && pass->names != 0) {
        uint64_t at = 0;
        pass->sanitizer |= __builtin_add_overflow(pass->names, entry.value, &at) ||
                           !read_name(image->file, at, name, sizeof name) || is_sanitizer(name);
    }
}

/* False if the section is not one that can be read through to its end. */
static bool run_pass(const struct image *image, const struct segment *dynamic, struct pass *pass) {
    const size_t size = image->wide ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
    uint64_t count = dynamic->size / size;
    pass->ended = false;
    for (uint64_t i = 0; i < count && i < ENTRIES_MAX && !pass->ended; i += ENTRIES_AT_ONCE) {
        union {
            Elf64_Dyn wide[ENTRIES_AT_ONCE];
            Elf32_Dyn narrow[ENTRIES_AT_ONCE];
        } entries;
        size_t some = count - i < ENTRIES_AT_ONCE ? (size_t)(count - i) : ENTRIES_AT_ONCE;
        if (!read_image(image, dynamic->offset + i * size, &entries, some * size)) {
            return false;
        }
        for (size_t k = 0; k < some && !pass->ended; k++) {
            struct entry entry = image->wide ? (struct entry){(uint64_t)entries.wide[k].d_tag,
                                                              entries.wide[k].d_un.d_val}
                                             : (struct entry){(uint64_t)entries.narrow[k].d_tag,
                                                              entries.narrow[k].d_un.d_val};
            pass_entry(image, pass, entry);
        }
    }
    return pass->ended;
}

/* Whether it is known to need none. */
static bool needs_no_sanitizer(const struct image *image) {
    struct segment dynamic;
    struct pass pass = {0};
    return find_segment(image, PT_DYNAMIC, &dynamic) && run_pass(image, &dynamic, &pass) &&
           find_address(image, pass.names_address, &pass.names) && pass.names != 0 &&
           run_pass(image, &dynamic, &pass) && !pass.sanitizer;
}

/* What the first bytes of an object say, PROGRAM_OTHER included. */
static enum program_loader loader_of_head(const unsigned char *head, size_t size,
                                          struct image *image) {
    Elf64_Ehdr wide;
    Elf32_Ehdr narrow;
    if (size < sizeof wide || memcmp(head, ELFMAG, SELFMAG) != 0 || head[EI_DATA] != ELFDATA2LSB) {
        return PROGRAM_OTHER;
    }
    memcpy(&wide, head, sizeof wide);
    memcpy(&narrow, head, sizeof narrow);
    if (head[EI_CLASS] == ELFCLASS64 && wide.e_machine == EM_X86_64 &&
        wide.e_phentsize == sizeof(Elf64_Phdr)) {
        image->wide = true;
        image->segments_at = wide.e_phoff;
        image->segment_count = wide.e_phnum;
        return PROGRAM_GLIBC_64;
    }
    if (head[EI_CLASS] == ELFCLASS32 && narrow.e_machine == EM_386 &&
        narrow.e_phentsize == sizeof(Elf32_Phdr)) {
        image->wide = false;
        image->segments_at = narrow.e_phoff;
        image->segment_count = narrow.e_phnum;
        return PROGRAM_GLIBC_32;
    }
    return PROGRAM_OTHER;
}

bool program_file_suits(int file, enum program_loader loader) {
    unsigned char head[sizeof(Elf64_Ehdr)];
    struct image image;
    return loader != PROGRAM_OTHER && read_whole(file, 0, head, sizeof head) &&
           loader_of_head(head, sizeof head, &image) == loader;
}

/* Whether its rights are others than ours: the loader then takes no libraries from the environment,
 * and the variable stays where it is. */
static bool changes_rights(int file) {
    struct statx status;
    if (getuid() != geteuid() || getgid() != getegid() ||
        syscall(SYS_statx, file, "", AT_EMPTY_PATH, STATX_MODE | STATX_UID | STATX_GID, &status) !=
            0) {
        return true;
    }
    return ((status.stx_mode & S_ISUID) != 0 && status.stx_uid != geteuid()) ||
           ((status.stx_mode & S_ISGID) != 0 && status.stx_gid != getegid()) ||
           (geteuid() != 0 && fgetxattr(file, "security.capability", NULL, 0) > 0);
}

static enum program_loader loader_of_object(int file, const unsigned char *head, size_t size) {
    struct image image = {.file = file, .head = head, .head_size = size};
    struct segment interpreter;
    char name[INTERPRETER_MAX];
    enum program_loader loader = loader_of_head(head, size, &image);
    if (loader == PROGRAM_OTHER || image.segment_count > SEGMENTS_MAX ||
        !find_segment(&image, PT_INTERP, &interpreter) || interpreter.size > sizeof name ||
        interpreter.size == 0 ||
        !read_image(&image, interpreter.offset, name, (size_t)interpreter.size) ||
        name[interpreter.size - 1] != '\0' || !is_glibc_loader(name) ||
        !needs_no_sanitizer(&image) || changes_rights(file)) {
        return PROGRAM_OTHER;
    }
    return loader;
}

/* Whether it looks like something for a shell: there is no NUL in its first line. What has one may
 * be for a handler that the kernel knows of (binfmt_misc). */
static bool is_text(const char *head, size_t size) {
    const char *end = memchr(head, '\n', size);
    return size > 0 && memchr(head, '\0', end == NULL ? size : (size_t)(end - head)) == NULL;
}

/* Cuts the interpreter's path out of a line that begins with #!, as load_script() in
 * fs/binfmt_script.c does. NULL where that finds none. */
static char *cut_interpreter(char *head, size_t size) {
    char *end = memchr(head, '\n', size);
    if (end == NULL) {
        end = head + size;
    }
    char *start = head + 2;
    while (start < end && (*start == ' ' || *start == '\t')) {
        start++;
    }
    char *stop = start;
    while (stop < end && *stop != ' ' && *stop != '\t' && *stop != '\0') {
        stop++;
    }
    if (stop == start || stop == head + LINE_LOOKED_AT) { /* none, or perhaps cut off */
        return NULL;
    }
    *stop = '\0';
    return start;
}

enum program_loader program_file_loader(int folder, const char *path) {
    char head[HEAD_MAX + 1];
    for (unsigned level = 0; level <= SCRIPT_LEVELS; level++) {
        GUARD_FD int file = program_file_open(folder, path);
        ssize_t size = file < 0 ? -1 : pread(file, head, HEAD_MAX, 0);
        if (size <= 0) {
            return PROGRAM_OTHER;
        }
        if (size < 2 || head[0] != '#' || head[1] != '!') {
            if (size >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0) {
                return loader_of_object(file, (const unsigned char *)head, (size_t)size);
            }
            /* Only a file that was asked for by its name gets a shell. */
            return level == 0 && is_text(head, (size_t)size) ? PROGRAM_TEXT : PROGRAM_OTHER;
        }
        path = cut_interpreter(head, size < LINE_LOOKED_AT ? (size_t)size : (size_t)LINE_LOOKED_AT);
        folder = AT_FDCWD;
        if (path == NULL) {
            return level == 0 ? PROGRAM_TEXT : PROGRAM_OTHER;
        }
    }
    return PROGRAM_OTHER;
}
