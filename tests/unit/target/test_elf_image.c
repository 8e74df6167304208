#include "daemon/target/elf_image.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dlfcn.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "crafted.h"

struct kind {
    unsigned word_size;
    enum crafted_hash hash;
};

static struct kind kinds[] = {
    {8, CRAFTED_GNU_HASH}, {8, CRAFTED_SYSV_HASH}, {4, CRAFTED_GNU_HASH}, {4, CRAFTED_SYSV_HASH}};

static void assert_symbols(const struct crafted *crafted, const struct elf_image *image) {
    struct raddr address = RADDR_NULL;
    cr_assert_eq(elf_image_symbol(image, "_PyRuntime", &address), STATUS_OK);
    cr_assert_eq(address.v, (uintptr_t)crafted->base + CRAFTED_RUNTIME);
    cr_assert_eq(elf_image_symbol(image, "Py_Version", &address), STATUS_OK);
    cr_assert_eq(address.v, (uintptr_t)crafted->base + CRAFTED_VERSION);
    cr_assert_eq(elf_image_symbol(image, "undefined", &address), STATUS_ABSENT);
    cr_assert_eq(elf_image_symbol(image, "PyRuntime", &address), STATUS_ABSENT);
    cr_assert_eq(elf_image_symbol(image, "_PyRuntim", &address), STATUS_ABSENT);
    cr_assert_eq(elf_image_symbol(image, "", &address), STATUS_ABSENT);
    cr_assert_eq(address.v, (uintptr_t)crafted->base + CRAFTED_VERSION);
}

ParameterizedTestParameters(elf_image, classes_and_hash_tables) {
    return cr_make_param_array(struct kind, kinds, sizeof kinds / sizeof *kinds);
}

ParameterizedTest(struct kind *kind, elf_image, classes_and_hash_tables) {
    static struct crafted crafted;
    crafted_make(&crafted, kind->word_size, kind->hash);
    crafted_load(&crafted, "object");
    struct elf_image image;
    cr_assert_eq(elf_image_read(&crafted.process, &crafted.object, &image), STATUS_OK);
    cr_assert_eq(image.memory.word_size, kind->word_size);
    cr_assert_eq(image.machine, kind->word_size == 8 ? EM_X86_64 : EM_386);
    cr_assert_eq(image.type, ET_DYN);
    cr_assert_eq(image.bias, (uintptr_t)crafted.base);
    cr_assert_eq(image.start.v, (uintptr_t)crafted.base);
    cr_assert_eq(image.end.v, (uintptr_t)crafted.base + CRAFTED_LOADED);
    assert_symbols(&crafted, &image);

    uint8_t id[ELF_IMAGE_BUILD_ID_MAX];
    size_t size = 0;
    cr_assert_eq(elf_image_build_id(&image, id, &size), STATUS_OK);
    cr_assert_eq(size, 20);
    cr_assert(id[0] == 1 && id[19] == 20);
    crafted_unload(&crafted);
}

/* glibc adds the load address to the pointers of the dynamic section, musl does not. */
Test(elf_image, relocated_dynamic_section) {
    static struct crafted crafted;
    crafted_make(&crafted, 8, CRAFTED_GNU_HASH);
    crafted_load(&crafted, "object");
    Elf64_Dyn *dynamic = (Elf64_Dyn *)(crafted.base + CRAFTED_DYNAMIC);
    for (; dynamic->d_tag != DT_NULL; ++dynamic) {
        if (dynamic->d_tag != DT_STRSZ) {
            dynamic->d_un.d_ptr += (uintptr_t)crafted.base;
        }
    }
    struct elf_image image;
    cr_assert_eq(elf_image_read(&crafted.process, &crafted.object, &image), STATUS_OK);
    assert_symbols(&crafted, &image);
    crafted_unload(&crafted);
}

Test(elf_image, real_libraries) {
    struct process process = PROCESS_NONE;
    struct mappings mappings = MAPPINGS_NONE;
    cr_assert_eq(process_open(getpid(), &process, NULL), STATUS_OK);
    cr_assert_eq(mappings_read(&process, &mappings, NULL), STATUS_OK);
    size_t position = 0;
    unsigned seen = 0;
    struct mapped_object object;
    struct elf_image image;
    while (mappings_next_object(&mappings, &position, &object)) {
        if (strstr(object.first->path, "libcriterion") == NULL) {
            continue;
        }
        ++seen;
        void *library = dlopen(object.first->path, RTLD_NOW | RTLD_NOLOAD);
        cr_assert_not_null(library);
        struct raddr address = RADDR_NULL;
        cr_assert_eq(elf_image_read(&process, &object, &image), STATUS_OK);
        static const char *const names[] = {"criterion_run_all_tests", "criterion_initialize",
                                            "criterion_options"};
        for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
            cr_assert_eq(elf_image_symbol(&image, names[i], &address), STATUS_OK);
            cr_assert_eq(address.v, (uintptr_t)dlsym(library, names[i]));
        }
        cr_assert_eq(elf_image_symbol(&image, "_PyRuntime", &address), STATUS_ABSENT);
    }
    cr_assert_eq(seen, 1);
    mappings_deinit(&mappings);
    process_close(&process);
}

static enum status read_bent(struct crafted *crafted) {
    struct elf_image image = {.bias = 77};
    struct raddr address;
    uint8_t id[ELF_IMAGE_BUILD_ID_MAX];
    size_t size;
    crafted_load(crafted, "bent");
    enum status status = elf_image_read(&crafted->process, &crafted->object, &image);
    if (status == STATUS_OK) {
        status = elf_image_symbol(&image, "_PyRuntime", &address);
        (void)!elf_image_symbol(&image, "not there", &address);
        (void)!elf_image_build_id(&image, id, &size);
    } else {
        cr_assert_eq(image.bias, 77, "the output was touched");
    }
    crafted_unload(crafted);
    return status;
}

/* What a bent object may be: anything but a system failure. */
static bool is_refusal(enum status status) {
    return status == STATUS_ABSENT || status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED ||
           status == STATUS_TORN;
}

Test(elf_image, a_file_that_is_only_read) {
    static struct crafted crafted;
    crafted_make(&crafted, 8, CRAFTED_GNU_HASH);
    crafted_load(&crafted, "object");
    (void)munmap(crafted.base, CRAFTED_LOADED);
    int fd = memfd_create("object", MFD_CLOEXEC);
    cr_assert_eq(write(fd, crafted.bytes, CRAFTED_SIZE), CRAFTED_SIZE);
    /* Whole and at one place: the data are not where the loader would have them if they moved. */
    Elf64_Phdr *segments = (Elf64_Phdr *)(crafted.bytes + CRAFTED_PHDRS);
    segments[1].p_vaddr += CRAFTED_PAGE;
    cr_assert_eq(pwrite(fd, crafted.bytes, CRAFTED_SIZE, 0), CRAFTED_SIZE);
    crafted.base = mmap(NULL, CRAFTED_SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
    crafted_look(&crafted, getpid());
    struct elf_image image;
    cr_assert_eq(elf_image_read(&crafted.process, &crafted.object, &image), STATUS_ABSENT);
    crafted_unload(&crafted);
}

#define BEND(type, offset, member, value)                                                          \
    do {                                                                                           \
        crafted_make(&crafted, 8, CRAFTED_GNU_HASH);                                               \
        ((type *)(void *)(crafted.bytes + (offset)))->member = (value);                            \
    } while (0)

Test(elf_image, absurd_headers) {
    static struct crafted crafted;
    BEND(Elf64_Ehdr, 0, e_ident[0], 'x');
    cr_assert_eq(read_bent(&crafted), STATUS_ABSENT);
    BEND(Elf64_Ehdr, 0, e_machine, EM_AARCH64);
    cr_assert_eq(read_bent(&crafted), STATUS_UNSUPPORTED);
    BEND(Elf64_Ehdr, 0, e_ident[EI_CLASS], ELFCLASS32); /* x32 */
    cr_assert_eq(read_bent(&crafted), STATUS_UNSUPPORTED);
    BEND(Elf64_Ehdr, 0, e_ident[EI_DATA], ELFDATA2MSB);
    cr_assert_eq(read_bent(&crafted), STATUS_UNSUPPORTED);
    BEND(Elf64_Ehdr, 0, e_type, ET_CORE);
    cr_assert_eq(read_bent(&crafted), STATUS_CORRUPT);
    BEND(Elf64_Ehdr, 0, e_type, ET_EXEC); /* cannot lie anywhere */
    cr_assert_eq(read_bent(&crafted), STATUS_ABSENT);
    BEND(Elf64_Ehdr, 0, e_phnum, UINT16_MAX);
    cr_assert_eq(read_bent(&crafted), STATUS_CORRUPT);
    BEND(Elf64_Ehdr, 0, e_phnum, 0);
    cr_assert_eq(read_bent(&crafted), STATUS_CORRUPT);
    BEND(Elf64_Ehdr, 0, e_phentsize, 1);
    cr_assert_eq(read_bent(&crafted), STATUS_CORRUPT);
    BEND(Elf64_Ehdr, 0, e_phoff, UINT64_MAX - 8);
    cr_assert_eq(read_bent(&crafted), STATUS_CORRUPT);
    BEND(Elf64_Ehdr, 0, e_phoff, CRAFTED_PAGE - 8);
    cr_assert_eq(read_bent(&crafted), STATUS_CORRUPT);
}

Test(elf_image, absurd_segments) {
    static struct crafted crafted;
    const size_t data = CRAFTED_PHDRS + sizeof(Elf64_Phdr);
    const size_t dynamic = CRAFTED_PHDRS + 2 * sizeof(Elf64_Phdr);
    BEND(Elf64_Phdr, data, p_memsz, UINT64_MAX);
    cr_assert_eq(read_bent(&crafted), STATUS_CORRUPT);
    BEND(Elf64_Phdr, data, p_memsz, UINT64_C(1) << 50);
    cr_assert_eq(read_bent(&crafted), STATUS_CORRUPT);
    BEND(Elf64_Phdr, data, p_vaddr, UINT64_C(77) * CRAFTED_PAGE);
    cr_assert_eq(read_bent(&crafted), STATUS_ABSENT);
    BEND(Elf64_Phdr, CRAFTED_PHDRS, p_offset, UINT64_C(1) << 40);
    cr_assert_eq(read_bent(&crafted), STATUS_CORRUPT);
    BEND(Elf64_Phdr, dynamic, p_vaddr, UINT64_C(1) << 63);
    cr_assert_eq(read_bent(&crafted), STATUS_TORN);
    BEND(Elf64_Phdr, dynamic, p_memsz, UINT64_MAX); /* DT_NULL ends it all the same, if mapped */
    enum status status = read_bent(&crafted);
    cr_assert(status == STATUS_OK || is_refusal(status));
    BEND(Elf64_Phdr, dynamic, p_memsz, 7);
    cr_assert_eq(read_bent(&crafted), STATUS_ABSENT);
}

static void bend_hash(struct crafted *crafted, enum crafted_hash hash, unsigned index,
                      uint32_t value) {
    crafted_make(crafted, 8, hash);
    memcpy(crafted->bytes + CRAFTED_HASH + index * sizeof value, &value, sizeof value);
}

Test(elf_image, absurd_hash_tables) {
    static struct crafted crafted;
    bend_hash(&crafted, CRAFTED_GNU_HASH, 0, 0); /* buckets */
    cr_assert_eq(read_bent(&crafted), STATUS_ABSENT);
    bend_hash(&crafted, CRAFTED_GNU_HASH, 0, UINT32_MAX);
    cr_assert(is_refusal(read_bent(&crafted)));
    bend_hash(&crafted, CRAFTED_GNU_HASH, 2, UINT32_MAX); /* words of the filter */
    cr_assert(is_refusal(read_bent(&crafted)));
    bend_hash(&crafted, CRAFTED_GNU_HASH, 6, UINT32_MAX); /* the bucket */
    cr_assert(is_refusal(read_bent(&crafted)));
    /* A chain without an end: nothing but even numbers behind it. */
    crafted_make(&crafted, 8, CRAFTED_GNU_HASH);
    memset(crafted.bytes + CRAFTED_HASH + 28, 0, 12);
    cr_assert(is_refusal(read_bent(&crafted)));
    /* A chain that leads to itself. */
    bend_hash(&crafted, CRAFTED_SYSV_HASH, 2, 1);
    crafted.bytes[CRAFTED_HASH + 4 * 4] = 1;
    cr_assert_eq(read_bent(&crafted), STATUS_CORRUPT);
    bend_hash(&crafted, CRAFTED_SYSV_HASH, 0, UINT32_MAX);
    cr_assert(is_refusal(read_bent(&crafted)));
}

Test(elf_image, a_symbol_outside_of_the_object) {
    static struct crafted crafted;
    const size_t symbol = CRAFTED_DYNSYM + 3 * sizeof(Elf64_Sym);
    BEND(Elf64_Sym, symbol, st_value, UINT64_C(64) * CRAFTED_PAGE);
    cr_assert_eq(read_bent(&crafted), STATUS_ABSENT);
    BEND(Elf64_Sym, symbol, st_name, UINT32_MAX);
    cr_assert_eq(read_bent(&crafted), STATUS_ABSENT);
    BEND(Elf64_Sym, symbol, st_name, 35); /* the table ends in the middle of the name */
    cr_assert_eq(read_bent(&crafted), STATUS_ABSENT);
}

Test(elf_image, a_file_cut_under_the_mapping) {
    static struct crafted crafted;
    crafted_make(&crafted, 8, CRAFTED_GNU_HASH);
    crafted_load(&crafted, "object");
    struct elf_image image;
    cr_assert_eq(truncate(crafted.path, CRAFTED_PAGE), 0); /* reading the data is SIGBUS now */
    cr_assert_eq(elf_image_read(&crafted.process, &crafted.object, &image), STATUS_TORN);
    cr_assert_eq(truncate(crafted.path, 0), 0);
    cr_assert_eq(elf_image_read(&crafted.process, &crafted.object, &image), STATUS_TORN);
    crafted_unload(&crafted);
}

/* Random bytes where headers and tables are: whatever comes out, it comes out soon. */
Test(elf_image, random_damage, .timeout = 60) {
    static struct crafted crafted;
    srandom(1);
    for (unsigned round = 0; round < 3000; ++round) {
        struct kind kind = kinds[round % 4];
        crafted_make(&crafted, kind.word_size, kind.hash);
        for (long damage = random() % 8; damage >= 0; --damage) {
            size_t at = (size_t)random() % 0x600;
            at = at < 0x580 ? at : CRAFTED_DYNAMIC + at % 0x80;
            crafted.bytes[at] = (uint8_t)(random() % 4 == 0 ? 0xff : random());
        }
        crafted_load(&crafted, "damaged");
        struct elf_image image;
        struct raddr address;
        enum status status = elf_image_read(&crafted.process, &crafted.object, &image);
        cr_assert(status == STATUS_OK || is_refusal(status), "%s", status_name(status));
        if (status == STATUS_OK) {
            status = elf_image_symbol(&image, "_PyRuntime", &address);
            cr_assert(status == STATUS_OK || is_refusal(status), "%s", status_name(status));
            cr_assert(status != STATUS_OK || elf_image_holds(&image, address, 1));
            uint8_t id[ELF_IMAGE_BUILD_ID_MAX];
            size_t size;
            (void)!elf_image_build_id(&image, id, &size);
        }
        crafted_unload(&crafted);
    }
}
