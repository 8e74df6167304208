#include <elf.h>
#include <string.h>

#include "daemon/target/elf_image.h"

enum { NOTES_MAX = 4096 };

/* Names and contents of notes are padded to four bytes each in the segments that hold build ids. */
static size_t padded(uint32_t size) {
    return ((size_t)size + 3) & ~(size_t)3;
}

/* Looks through notes for the build id. */
static enum status notes_search(const uint8_t *notes, size_t size, uint8_t *out, size_t *length) {
    for (size_t at = 0; size - at >= sizeof(Elf64_Nhdr);) {
        Elf64_Nhdr note; /* the same in both classes */
        memcpy(&note, notes + at, sizeof note);
        at += sizeof note;
        size_t name = padded(note.n_namesz);
        size_t content = padded(note.n_descsz);
        if (name > size - at || content > size - at - name) {
            return STATUS_CORRUPT;
        }
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof ELF_NOTE_GNU &&
            memcmp(notes + at, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0) {
            if (note.n_descsz == 0 || note.n_descsz > ELF_IMAGE_BUILD_ID_MAX) {
                return STATUS_CORRUPT;
            }
            memcpy(out, notes + at + name, note.n_descsz);
            *length = note.n_descsz;
            return STATUS_OK;
        }
        at += name + content;
    }
    return STATUS_ABSENT;
}

enum status elf_image_build_id(const struct elf_image *image, uint8_t *out, size_t *size) {
    uint8_t notes[NOTES_MAX];
    for (size_t i = 0; i < ELF_IMAGE_NOTES && !raddr_is_null(image->notes[i].at); ++i) {
        size_t length = image->notes[i].size < NOTES_MAX ? (size_t)image->notes[i].size : NOTES_MAX;
        enum status status = memory_read(&image->memory, image->notes[i].at, notes, length);
        if (status == STATUS_OK) {
            status = notes_search(notes, length, out, size);
        }
        /* Another segment may hold it all the same. */
        if (status == STATUS_OK || status == STATUS_GONE || status == STATUS_DENIED) {
            return status;
        }
    }
    return STATUS_ABSENT;
}
