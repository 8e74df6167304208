#include "made_program.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the parts are in the file; it is loaded as a whole at LOADED. */
enum {
    SEGMENTS = 64,
    INTERPRETER = 256,
    DYNAMIC = 320,
    NAMES = 640,
    LOADED = 0x10000,
};

static char folder[64];
static char path[256];
static unsigned count;

static size_t put_names(const struct made_object *object, unsigned char *out, size_t offsets[4]) {
    size_t size = 1;
    for (unsigned i = 0; i < 4 && object->needed[i] != NULL; i++) {
        offsets[i] = size;
        memcpy(out + NAMES + size, object->needed[i], strlen(object->needed[i]) + 1);
        size += strlen(object->needed[i]) + 1;
    }
    return NAMES + size;
}

#define PUT_OBJECT(WORD, object, out, offsets, size)                                               \
    do {                                                                                           \
        Elf##WORD##_Ehdr header = {.e_type = ET_DYN,                                               \
                                   .e_machine = (object)->machine,                                 \
                                   .e_phoff = SEGMENTS,                                            \
                                   .e_phentsize = sizeof(Elf##WORD##_Phdr),                        \
                                   .e_phnum = 3};                                                  \
        Elf##WORD##_Phdr segments[3] = {                                                           \
            {.p_type = PT_LOAD, .p_vaddr = LOADED, .p_filesz = (size)},                            \
            {.p_type = PT_DYNAMIC, .p_offset = DYNAMIC, .p_filesz = NAMES - DYNAMIC},              \
            {.p_type = PT_NULL, .p_offset = INTERPRETER}};                                         \
        Elf##WORD##_Dyn entries[6] = {{.d_tag = DT_STRTAB, .d_un.d_val = LOADED + NAMES}};         \
        memcpy(header.e_ident, ELFMAG, SELFMAG);                                                   \
        header.e_ident[EI_CLASS] = ELFCLASS##WORD;                                                 \
        header.e_ident[EI_DATA] = ELFDATA2LSB;                                                     \
        if ((object)->interpreter != NULL) {                                                       \
            segments[2].p_type = PT_INTERP;                                                        \
            segments[2].p_filesz = strlen((object)->interpreter) + 1;                              \
        }                                                                                          \
        for (unsigned i = 0; i < 4 && (object)->needed[i] != NULL; i++) {                          \
            entries[i + 1].d_tag = DT_NEEDED;                                                      \
            entries[i + 1].d_un.d_val = (offsets)[i];                                              \
        }                                                                                          \
        memcpy(out, &header, sizeof header);                                                       \
        memcpy((out) + SEGMENTS, segments, sizeof segments);                                       \
        memcpy((out) + DYNAMIC, entries, sizeof entries);                                          \
    } while (0)

size_t made_object(const struct made_object *object, unsigned char out[static MADE_MAX]) {
    size_t offsets[4];
    memset(out, 0, MADE_MAX);
    size_t size = put_names(object, out, offsets);
    if (object->interpreter != NULL) {
        memcpy(out + INTERPRETER, object->interpreter, strlen(object->interpreter) + 1);
    }
    if (object->narrow) {
        PUT_OBJECT(32, object, out, offsets, size);
    } else {
        PUT_OBJECT(64, object, out, offsets, size);
    }
    return size;
}

const char *made_file(const void *bytes, size_t size) {
    if (folder[0] == '\0') {
        (void)snprintf(folder, sizeof folder, "/tmp/echion-made-XXXXXX");
        cr_assert_not_null(mkdtemp(folder));
    }
    (void)snprintf(path, sizeof path, "%s/%u", folder, count++);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
    (void)close(fd);
    return path;
}

const char *made_script(const char *text) {
    return made_file(text, strlen(text));
}

void made_remove(void) {
    while (count > 0) {
        (void)snprintf(path, sizeof path, "%s/%u", folder, --count);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    folder[0] = '\0';
}
