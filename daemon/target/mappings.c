#include "daemon/target/mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/target/proc_file.h"

/* A line is at most a path (PATH_MAX) behind about 75 characters, and newlines in it are escaped.
 */
enum { TEXT_MAX = 65536, LINE_MAX_BYTES = 3 * 4096, PATHS_MAX = 16 << 20, BLOCK_BYTES = 65536 };

static const char deleted_suffix[] = " (deleted)";

/* Paths live in blocks that never move, so that mappings can point into them. */
struct mapping_paths {
    struct mapping_paths *previous;
    size_t used, capacity;
    char text[];
};

struct parser {
    struct mappings *out;
    size_t capacity;
    size_t path_bytes;
};

void mappings_deinit(struct mappings *mappings) {
    struct mapping_paths *block = mappings->paths;
    while (block != NULL) {
        struct mapping_paths *previous = block->previous;
        free(block);
        block = previous;
    }
    free(mappings->items);
    *mappings = MAPPINGS_NONE;
}

static void mappings_guard(struct mappings *mappings) {
    mappings_deinit(mappings);
}

/* Keeps a copy of a path. NULL when there is no memory or the budget is used up. */
static const char *path_keep(struct parser *parser, const char *path, size_t length) {
    struct mapping_paths *block = parser->out->paths;
    if (block == NULL || block->capacity - block->used < length + 1) {
        size_t capacity = length + 1 > BLOCK_BYTES ? length + 1 : BLOCK_BYTES;
        parser->path_bytes += capacity;
        block = parser->path_bytes <= PATHS_MAX ? malloc(sizeof *block + capacity) : NULL;
        if (block == NULL) {
            return NULL;
        }
        *block = (struct mapping_paths){.previous = parser->out->paths, .capacity = capacity};
        parser->out->paths = block;
    }
    char *kept = block->text + block->used;
    memcpy(kept, path, length);
    kept[length] = '\0';
    block->used += length + 1;
    return kept;
}

/* Undoes the kernel's escape of a newline, "\012" (fs/proc/task_mmu.c: show_map_vma), in place. */
static size_t path_unescape(char *path, size_t length) {
    size_t used = 0;
    for (size_t i = 0; i < length; ++used) {
        if (length - i >= 4 && memcmp(path + i, "\\012", 4) == 0) {
            path[used] = '\n';
            i += 4;
        } else {
            path[used] = path[i++];
        }
    }
    return used;
}

/* The path of a mapping, which most often is that of the one before. */
static enum status path_take(struct parser *parser, char *path, struct mapping *item) {
    size_t length = path_unescape(path, strlen(path));
    const size_t suffix = sizeof deleted_suffix - 1;
    if (item->inode != 0 && length > suffix &&
        memcmp(path + length - suffix, deleted_suffix, suffix) == 0) {
        item->deleted = true;
        length -= suffix;
    }
    if (length == 0) {
        item->path = "";
        return STATUS_OK;
    }
    if (parser->out->count > 0) {
        const char *before = parser->out->items[parser->out->count - 1].path;
        if (strlen(before) == length && memcmp(before, path, length) == 0) {
            item->path = before;
            return STATUS_OK;
        }
    }
    item->path = path_keep(parser, path, length);
    return item->path != NULL ? STATUS_OK : STATUS_NOMEM;
}

static bool character_take(const char **at, char wanted) {
    if (**at != wanted) {
        return false;
    }
    ++*at;
    return true;
}

/* "start-end rwxp offset major:minor inode   path", numbers but the inode in hexadecimal. */
static enum status line_parse(struct parser *parser, char *line, struct mapping *out) {
    struct mapping item = {.path = ""};
    const char *at = line;
    uint64_t major = 0;
    uint64_t minor = 0;
    if (!proc_file_number(&at, 16, &item.start.v) || !character_take(&at, '-') ||
        !proc_file_number(&at, 16, &item.end.v) || !character_take(&at, ' ') || strlen(at) < 5) {
        return STATUS_CORRUPT;
    }
    item.readable = at[0] == 'r';
    item.writable = at[1] == 'w';
    item.executable = at[2] == 'x';
    item.shared = at[3] == 's';
    at += 4;
    if (!proc_file_number(&at, 16, &item.offset) || !proc_file_number(&at, 16, &major) ||
        !character_take(&at, ':') || !proc_file_number(&at, 16, &minor) ||
        !proc_file_number(&at, 10, &item.inode) || item.start.v >= item.end.v) {
        return STATUS_CORRUPT;
    }
    item.device = (uint32_t)(major << 20 | minor);
    at += strspn(at, " ");
    enum status status = path_take(parser, line + (at - line), &item);
    if (status == STATUS_OK) {
        *out = item;
    }
    return status;
}

static enum status line_add(struct parser *parser, char *line) {
    struct mappings *out = parser->out;
    if (out->count == parser->capacity) {
        size_t capacity = parser->capacity == 0 ? 256 : parser->capacity * 2;
        struct mapping *grown =
            capacity <= MAPPINGS_MAX ? reallocarray(out->items, capacity, sizeof *grown) : NULL;
        if (grown == NULL) {
            return STATUS_NOMEM;
        }
        out->items = grown;
        parser->capacity = capacity;
    }
    struct mapping item;
    enum status status = line_parse(parser, line, &item);
    if (status != STATUS_OK) {
        return status;
    }
    /* The kernel goes by address; between two reads it may repeat what has grown meanwhile. */
    if (out->count > 0 && item.start.v < out->items[out->count - 1].end.v) {
        return STATUS_OK;
    }
    out->items[out->count++] = item;
    return STATUS_OK;
}

/* Adds the whole lines of `text`, and answers how many bytes they took. */
static enum status lines_add(struct parser *parser, char *text, size_t size, size_t *taken) {
    char *line = text;
    for (char *end; (end = memchr(line, '\n', size - (size_t)(line - text))) != NULL;
         line = end + 1) {
        *end = '\0';
        enum status status = line_add(parser, line);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *taken = (size_t)(line - text);
    return STATUS_OK;
}

static enum status text_parse(struct parser *parser, int fd, char *text) {
    size_t used = 0;
    for (;;) {
        ssize_t got = read(fd, text + used, TEXT_MAX - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return status_from_errno(errno);
        }
        if (got == 0) {
            return used == 0 ? STATUS_OK : STATUS_CORRUPT;
        }
        used += (size_t)got;
        size_t taken = 0;
        enum status status = lines_add(parser, text, used, &taken);
        if (status != STATUS_OK) {
            return status;
        }
        used -= taken;
        if (used > LINE_MAX_BYTES) {
            return STATUS_CORRUPT;
        }
        memmove(text, text + taken, used);
    }
}

static enum status read_failed(const struct process *process, enum status status,
                               struct error *error) {
    int pid = process->pid;
    if (!process_alive(process)) {
        return error_set(error, STATUS_GONE, "process %d has ended", pid);
    }
    if (status == STATUS_GONE || status == STATUS_TORN) {
        return error_set(error, STATUS_TORN, "process %d is just starting a program", pid);
    }
    if (status == STATUS_NOMEM) {
        return error_set(error, status,
                         "process %d has more than %d mappings or absurdly long names of them, or "
                         "we are out of memory",
                         pid, MAPPINGS_MAX);
    }
    return error_set(error, status, "cannot read /proc/%d/maps: %s", pid, status_name(status));
}

enum status mappings_read(const struct process *process, struct mappings *out,
                          struct error *error) {
    GUARD_FD int fd = openat(process->dir, "maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return read_failed(process, status_from_errno(errno), error);
    }
    GUARD_FREE char *text = malloc(TEXT_MAX);
    __attribute__((cleanup(mappings_guard))) struct mappings mappings = MAPPINGS_NONE;
    struct parser parser = {.out = &mappings};
    enum status status = text == NULL ? STATUS_NOMEM : text_parse(&parser, fd, text);
    if (status == STATUS_OK && mappings.count == 0) {
        status = STATUS_TORN;
    }
    if (status != STATUS_OK) {
        return read_failed(process, status, error);
    }
    *out = mappings;
    mappings = MAPPINGS_NONE;
    return STATUS_OK;
}

const struct mapping *mappings_find(const struct mappings *mappings, struct raddr address) {
    size_t low = 0;
    size_t high = mappings->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct mapping *item = &mappings->items[middle];
        if (address.v < item->start.v) {
            high = middle;
        } else if (address.v >= item->end.v) {
            low = middle + 1;
        } else {
            return item;
        }
    }
    return NULL;
}

/* Whether another copy of the object begins here. A tiny object's data also begin in the file's
 * first page, but are not protected as that is (a part of them may have been made read-only). */
static bool begins_anew(const struct mapped_object *object, const struct mapping *item) {
    const struct mapping *first = object->first;
    return item->offset == 0 && item->readable == first->readable &&
           item->writable == first->writable && item->executable == first->executable;
}

bool mappings_next_object(const struct mappings *mappings, size_t *position,
                          struct mapped_object *out) {
    size_t at = *position;
    while (at < mappings->count &&
           (mappings->items[at].inode == 0 || mappings->items[at].offset != 0)) {
        ++at;
    }
    if (at == mappings->count) {
        *position = at;
        return false;
    }
    struct mapped_object object = {.first = &mappings->items[at], .last = &mappings->items[at]};
    for (++at; at < mappings->count; ++at) {
        const struct mapping *item = &mappings->items[at];
        if (item->inode == 0) {
            continue; /* .bss, or a stretch whose protection the loader changed, or the end */
        }
        if (!mapped_object_owns(&object, item) || begins_anew(&object, item)) {
            break;
        }
        object.last = item;
    }
    *position = (size_t)(object.last - mappings->items) + 1;
    *out = object;
    return true;
}
