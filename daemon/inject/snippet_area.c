#include "daemon/inject/snippet_area.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "daemon/target/elf_image.h"

enum { PAGE_BYTES = 4096, ALIGNMENT = 16, CELL_LEAST = 256 };

/* With its NUL; behind it stands the number of the cell that was used last. */
static const char mark[SNIPPET_MARK_SIZE] = "echion snippet";

struct search {
    const struct process *process;
    const struct memory_write *door;
    const struct runtime *runtime;
    const struct mappings *mappings;
    unsigned cells;
    char program[PATH_MAX]; /* empty if unknown */
    bool glibc;
    struct snippet_area best; /* cell_size 0: none yet */
};

static void program_read(struct search *search) {
    ssize_t length =
        readlinkat(search->process->dir, "exe", search->program, sizeof search->program - 1);
    search->program[length > 0 ? length : 0] = '\0';
    char *deleted = strstr(search->program, " (deleted)");
    if (deleted != NULL) {
        *deleted = '\0';
    }
}

/* The tail behind an object's last byte, if the target may write there. */
static bool tail_find(const struct search *search, const struct elf_image *image,
                      struct snippet_area *out, uint32_t *size) {
    uint64_t start = (image->end.v + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    uint64_t end = (image->end.v + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    const struct mapping *mapping = mappings_find(search->mappings, raddr_make(start));
    if (start >= end || mapping == NULL || !mapping->writable || mapping->shared ||
        mapping->end.v < end) {
        return false;
    }
    *size = (uint32_t)(end - start);
    uint32_t room = (*size - (SNIPPET_MARK_SIZE + 1)) / search->cells / ALIGNMENT * ALIGNMENT;
    *out = (struct snippet_area){.at = raddr_make(start), .cell_size = room};
    return room >= CELL_LEAST;
}

static bool is_zero(const uint8_t *bytes, uint32_t size) {
    for (uint32_t i = 0; i < size; ++i) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static enum status tail_look(struct search *search, const struct elf_image *image) {
    uint8_t bytes[PAGE_BYTES];
    struct snippet_area area;
    uint32_t size = 0;
    if (!tail_find(search, image, &area, &size)) {
        return STATUS_OK;
    }
    enum status status = memory_write_get(search->door, area.at, bytes, size);
    if (status != STATUS_OK) {
        return status == STATUS_TORN ? STATUS_OK : status;
    }
    area.claimed = memcmp(bytes, mark, sizeof mark) == 0;
    if (area.claimed || (is_zero(bytes, size) && area.cell_size > search->best.cell_size)) {
        search->best = area;
    }
    return STATUS_OK;
}

/* Looks at one object. What is wrong with it is no failure. */
static enum status object_look(struct search *search, const struct mapped_object *object) {
    struct elf_image image;
    struct raddr ignored;
    enum status status = elf_image_read(search->process, object, &image);
    if (status != STATUS_OK) {
        return status == STATUS_GONE || status == STATUS_DENIED ? status : STATUS_OK;
    }
    bool libc = elf_image_symbol(&image, "gnu_get_libc_version", &ignored) == STATUS_OK;
    search->glibc = search->glibc || libc;
    bool stays = libc || elf_image_holds(&image, search->runtime->address, 1) ||
                 strcmp(object->first->path, search->program) == 0;
    return stays ? tail_look(search, &image) : STATUS_OK;
}

enum status snippet_area_find(const struct process *process, const struct memory_write *door,
                              const struct runtime *runtime, const struct mappings *mappings,
                              unsigned cells, struct snippet_area *out, struct error *error) {
    struct search search = {
        .process = process, .door = door, .runtime = runtime, .mappings = mappings, .cells = cells};
    size_t position = 0;
    struct mapped_object object;
    program_read(&search);
    while (!search.best.claimed && mappings_next_object(mappings, &position, &object)) {
        enum status status = object_look(&search, &object);
        if (status != STATUS_OK) {
            return error_set(error, status, "cannot look for room in process %d: %s", process->pid,
                             status_name(status));
        }
    }
    if (search.best.cell_size == 0 || (!search.glibc && !search.best.claimed)) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "process %d has no room for what loads the shim: %s; it is sampled from "
                         "outside",
                         process->pid,
                         search.glibc ? "no unused memory behind its program's data"
                                      : "its libc is not glibc");
    }
    *out = search.best;
    return STATUS_OK;
}

enum status snippet_area_claim(const struct memory_write *door, struct snippet_area *area) {
    enum status status =
        area->claimed ? STATUS_OK : memory_write_put(door, area->at, mark, sizeof mark);
    area->claimed = status == STATUS_OK;
    return status;
}

enum status snippet_area_last(const struct memory_write *door, const struct snippet_area *area,
                              unsigned *cell) {
    uint8_t head[SNIPPET_MARK_SIZE + 1];
    enum status status = memory_write_get(door, area->at, head, sizeof head);
    if (status != STATUS_OK) {
        return status;
    }
    if (memcmp(head, mark, sizeof mark) != 0 || head[SNIPPET_MARK_SIZE] > SNIPPET_CELLS) {
        return STATUS_TORN;
    }
    *cell = head[SNIPPET_MARK_SIZE];
    return STATUS_OK;
}

enum status snippet_area_set_last(const struct memory_write *door, const struct snippet_area *area,
                                  unsigned cell) {
    uint8_t number = (uint8_t)cell;
    return memory_write_put(door, raddr_add(area->at, SNIPPET_MARK_SIZE), &number, sizeof number);
}

enum status snippet_area_has(const struct memory_write *door, const struct snippet_area *area,
                             unsigned cell, const struct snippet *snippet, bool *has) {
    char text[SNIPPET_MAX];
    enum status status =
        memory_write_get(door, snippet_area_cell(area, cell), text, snippet->length + 1);
    if (status == STATUS_OK) {
        *has = memcmp(text + 1, snippet->text + 1, snippet->length) == 0;
    }
    return status;
}

enum status snippet_area_write(const struct memory_write *door, const struct snippet_area *area,
                               unsigned cell, const struct snippet *snippet) {
    enum status status = snippet_area_switch(door, area, cell, SNIPPET_OFF);
    if (status == STATUS_OK) {
        status = memory_write_put(door, raddr_add(snippet_area_cell(area, cell), 1),
                                  snippet->text + 1, snippet->length);
    }
    return status == STATUS_OK ? snippet_area_switch(door, area, cell, snippet->text[0]) : status;
}

enum status snippet_area_switch(const struct memory_write *door, const struct snippet_area *area,
                                unsigned cell, char byte) {
    return memory_write_put(door, snippet_area_cell(area, cell), &byte, 1);
}
