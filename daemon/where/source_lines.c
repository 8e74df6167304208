#include "daemon/where/source_lines.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/display.h"
#include "common/guard.h"
#include "daemon/target/rights.h"
#include "daemon/target/rooted_file.h"

enum { TABLE_SIZE = 2 * SOURCE_LINES_MAX, NO_LINE = -1 };

struct source_file {
    char *path;
    int32_t first; /* of the lines that were asked for; NO_LINE: none */
};

struct source_line {
    int32_t number;
    uint32_t file;
    int32_t next; /* of the same file */
    char *text;   /* NULL: not there */
};

struct source_lines {
    struct source_file files[SOURCE_FILES_MAX];
    uint32_t file_count;
    struct source_line *lines;
    uint32_t line_count, line_capacity;
    int32_t table[TABLE_SIZE]; /* index of a line + 1, by hash; 0: free */
};

enum status source_lines_create(struct source_lines **out) {
    struct source_lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL) {
        return STATUS_NOMEM;
    }
    *out = lines;
    return STATUS_OK;
}

void source_lines_destroy(struct source_lines *lines) {
    if (lines == NULL) {
        return;
    }
    for (uint32_t i = 0; i < lines->file_count; i++) {
        free(lines->files[i].path);
    }
    for (uint32_t i = 0; i < lines->line_count; i++) {
        free(lines->lines[i].text);
    }
    free(lines->lines);
    free(lines);
}

/* Where the line stands in the table, or would. FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv.
 */
static uint32_t place_find(const struct source_lines *lines, const char *path, int32_t line) {
    uint32_t hash = 2166136261U ^ (uint32_t)line;
    for (const char *at = path; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * 16777619U;
    }
    uint32_t place = hash % TABLE_SIZE;
    for (; lines->table[place] != 0; place = (place + 1) % TABLE_SIZE) {
        const struct source_line *known = &lines->lines[lines->table[place] - 1];
        if (known->number == line && strcmp(lines->files[known->file].path, path) == 0) {
            break;
        }
    }
    return place;
}

/* The file's index; SOURCE_FILES_MAX when there is no more room. */
static uint32_t file_find(struct source_lines *lines, const char *path) {
    for (uint32_t i = lines->file_count; i-- > 0;) {
        if (strcmp(lines->files[i].path, path) == 0) {
            return i;
        }
    }
    if (lines->file_count == SOURCE_FILES_MAX) {
        return SOURCE_FILES_MAX;
    }
    char *copy = strdup(path);
    if (copy == NULL) {
        return SOURCE_FILES_MAX;
    }
    lines->files[lines->file_count] = (struct source_file){.path = copy, .first = NO_LINE};
    return lines->file_count++;
}

static bool lines_grow(struct source_lines *lines) {
    if (lines->line_count < lines->line_capacity) {
        return true;
    }
    uint32_t capacity = lines->line_capacity == 0 ? 64 : 2 * lines->line_capacity;
    struct source_line *grown =
        capacity <= SOURCE_LINES_MAX ? reallocarray(lines->lines, capacity, sizeof *grown) : NULL;
    if (grown == NULL) {
        return false;
    }
    lines->lines = grown;
    lines->line_capacity = capacity;
    return true;
}

void source_lines_want(struct source_lines *lines, const char *path, int32_t line) {
    if (line < 1 || *path == '\0' || *path == '<') {
        return;
    }
    uint32_t place = place_find(lines, path, line);
    if (lines->table[place] != 0 || !lines_grow(lines)) {
        return;
    }
    uint32_t file = file_find(lines, path);
    if (file == SOURCE_FILES_MAX) {
        return;
    }
    lines->lines[lines->line_count] =
        (struct source_line){.number = line, .file = file, .next = lines->files[file].first};
    lines->files[file].first = (int32_t)lines->line_count;
    lines->table[place] = (int32_t)++lines->line_count;
}

struct reading {
    struct source_lines *lines;
    const struct process *process;
    size_t budget;
    char folder[PATH_MAX]; /* the working directory, in the target's root; "" if unknown */
};

/* A file's beginning into memory; its size, or -1. */
static ssize_t file_read(struct reading *reading, const char *path, char **out) {
    char absolute[2 * PATH_MAX];
    if (*path != '/') {
        int length = snprintf(absolute, sizeof absolute, "%s/%s", reading->folder, path);
        if (length < 0 || (size_t)length >= sizeof absolute) {
            return -1;
        }
        path = absolute;
    }
    GUARD_FD int found = rooted_file_find(reading->process, path);
    GUARD_FD int fd = found < 0 ? -1 : rooted_file_open(found);
    if (fd < 0) {
        return -1;
    }
    size_t most = reading->budget < SOURCE_FILE_BYTES_MAX ? reading->budget : SOURCE_FILE_BYTES_MAX;
    size_t capacity = 64 << 10;
    size_t size = 0;
    GUARD_FREE char *bytes = NULL;
    while (size < most) {
        char *grown = bytes == NULL || size == capacity
                          ? realloc(bytes, bytes == NULL ? capacity : (capacity *= 2))
                          : bytes;
        if (grown == NULL) {
            return -1;
        }
        bytes = grown;
        ssize_t got = read(fd, bytes + size, (capacity < most ? capacity : most) - size);
        if (got <= 0) {
            break;
        }
        size += (size_t)got;
    }
    reading->budget -= size;
    *out = bytes;
    bytes = NULL;
    return (ssize_t)size;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* A line for a terminal; NULL if nothing is left of it. */
static char *line_clean(char *text, size_t size) {
    while (size > 0 && is_blank(text[0])) {
        text++;
        size--;
    }
    size = size > SOURCE_LINE_BYTES_MAX ? SOURCE_LINE_BYTES_MAX : size;
    while (size > 0 && is_blank(text[size - 1])) {
        size--;
    }
    for (size_t i = 0; i < size; i++) {
        if (is_blank(text[i])) {
            text[i] = ' ';
        }
    }
    /* A character that was cut in two is left out. */
    for (unsigned back = 0; size == SOURCE_LINE_BYTES_MAX && back < 3; back++) {
        if (((unsigned char)text[size - 1] & 0xC0U) != 0x80U) {
            size -= (unsigned char)text[size - 1] >= 0xC0U ? 1 : 0;
            break;
        }
        size--;
    }
    return size == 0 ? NULL : display_clean(text, size);
}

/* Orders the numbers of a file's lines. */
static int by_number(const void *a, const void *b) {
    const struct source_line *left = *(struct source_line *const *)a;
    const struct source_line *right = *(struct source_line *const *)b;
    return (left->number > right->number) - (left->number < right->number);
}

/* Finds the lines that were asked for in one file, in one pass. */
static void file_take(struct source_lines *lines, const struct source_file *file, char *bytes,
                      size_t size) {
    size_t count = 0;
    for (int32_t i = file->first; i != NO_LINE; i = lines->lines[i].next) {
        count++;
    }
    GUARD_FREE struct source_line **wanted = calloc(count + 1, sizeof(struct source_line *));
    if (wanted == NULL) {
        return;
    }
    count = 0;
    for (int32_t i = file->first; i != NO_LINE; i = lines->lines[i].next) {
        wanted[count++] = &lines->lines[i];
    }
    qsort(wanted, count, sizeof *wanted, by_number);
    char *at = bytes;
    char *end = bytes + size;
    int32_t number = 1;
    for (size_t i = 0; i < count && at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        char *line_end = newline == NULL ? end : newline;
        if (wanted[i]->number == number) {
            wanted[i++]->text = line_clean(at, (size_t)(line_end - at));
        }
        at = line_end + 1;
        number++;
    }
}

static void lines_read(void *context) {
    struct reading *reading = context;
    struct source_lines *lines = reading->lines;
    for (uint32_t i = 0; i < lines->file_count; i++) {
        GUARD_FREE char *bytes = NULL;
        ssize_t size = file_read(reading, lines->files[i].path, &bytes);
        if (size > 0) {
            file_take(lines, &lines->files[i], bytes, (size_t)size);
        }
    }
}

enum status source_lines_read(struct source_lines *lines, const struct process *process) {
    struct rights rights;
    struct reading reading = {.lines = lines, .process = process, .budget = SOURCE_BYTES_MAX};
    if (lines->file_count == 0) {
        return STATUS_OK;
    }
    enum status status = rights_read(process, &rights);
    if (status != STATUS_OK) {
        return status;
    }
    char folder[PATH_MAX];
    ssize_t length = readlinkat(process->dir, "cwd", folder, sizeof folder - 1);
    if (length > 0) {
        folder[length] = '\0';
        (void)snprintf(reading.folder, sizeof reading.folder, "%s",
                       rooted_file_path(process, folder));
    }
    return rights_run(&rights, lines_read, &reading);
}

const char *source_lines_find(const struct source_lines *lines, const char *path, int32_t line) {
    int32_t known = lines->table[place_find(lines, path, line)];
    return known == 0 ? NULL : lines->lines[known - 1].text;
}
