#include "daemon/python/runtime_candidates.h"

#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/python/runtime_scan.h"
#include "daemon/target/elf_file.h"

/* The smallest interpreter (3.8, i386, without its library) has more than twice as much. */
#define LARGE_BYTES (UINT64_C(1) << 20)

/* The longest search. A real process takes some milliseconds; one that has mapped thousands of
 * objects with absurd symbol tables, to keep us busy, is left alone after that. */
enum { PATIENCE_MS = 800 };

/* Which objects a round looks at. */
enum round { ROUND_NAMED, ROUND_OTHERS };

struct search {
    const struct process *process;
    const struct mappings *mappings;
    struct runtime_candidates *out;
    struct timespec begun;
    char program[PATH_MAX]; /* path of the program, empty if unknown */
};

/* Whether a failure is the process's, not one object's. */
static bool is_final(enum status status) {
    return status == STATUS_GONE || status == STATUS_DENIED || status == STATUS_NOMEM;
}

static void program_read(struct search *search) {
    ssize_t length =
        readlinkat(search->process->dir, "exe", search->program, sizeof search->program - 1);
    search->program[length > 0 ? length : 0] = '\0';
    char *deleted = strstr(search->program, " (deleted)");
    if (deleted != NULL) {
        *deleted = '\0';
    }
}

/* The program, libpython3.9.so.1.0, python3.9; but not the interpreter's own extension modules. */
static bool is_named(const struct search *search, const struct mapped_object *object) {
    const char *path = object->first->path;
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    return strcmp(path, search->program) == 0 ||
           (strstr(name, "python") != NULL && strstr(name, ".cpython-") == NULL) ||
           strstr(name, "pypy") != NULL;
}

static bool is_large(const struct mapped_object *object) {
    return object->last->end.v - object->first->start.v >= LARGE_BYTES;
}

static bool belongs(const struct search *search, const struct mapped_object *object,
                    enum round round) {
    bool named = is_named(search, object);
    return round == ROUND_NAMED ? named : !named && is_large(object);
}

static void candidate_add(struct search *search, const struct mapped_object *object,
                          const struct elf_image *image, struct raddr address,
                          struct raddr version_at, const char *found_by) {
    struct runtime_candidates *out = search->out;
    if (out->count < RUNTIME_CANDIDATES_MAX) {
        out->items[out->count++] = (struct runtime_candidate){.address = address,
                                                              .version_at = version_at,
                                                              .found_by = found_by,
                                                              .object = *object,
                                                              .image = *image};
    }
}

/* Takes note of a Python that is none of ours. */
static enum status stranger_look(struct search *search, const struct mapped_object *object,
                                 const struct elf_image *image) {
    struct raddr ignored;
    const char *what = NULL;
    if (elf_image_symbol(image, "pypy_main_startup", &ignored) == STATUS_OK) {
        what = "PyPy";
    } else if (elf_image_symbol(image, "PyEval_EvalFrameEx", &ignored) == STATUS_OK) {
        what = "a CPython older than 3.7"; /* which brought _PyRuntime */
    }
    if (what != NULL && search->out->stranger == NULL) {
        search->out->stranger = what;
        search->out->stranger_object = *object;
    }
    return STATUS_OK;
}

static enum status symbols_look(struct search *search, const struct mapped_object *object,
                                const struct elf_image *image) {
    struct raddr address;
    struct raddr version_at = RADDR_NULL;
    enum status status = elf_image_symbol(image, "_PyRuntime", &address);
    if (status == STATUS_OK) {
        (void)!elf_image_symbol(image, "Py_Version", &version_at);
        candidate_add(search, object, image, address, version_at, "its symbol _PyRuntime");
    }
    return status;
}

/* The version by the symbol table, for an object that does not export it. */
static struct raddr version_look(const struct elf_file *file, const struct elf_image *image) {
    struct raddr version_at = RADDR_NULL;
    if (elf_image_symbol(image, "Py_Version", &version_at) != STATUS_OK) {
        (void)!elf_file_symbol(file, "Py_Version", &version_at);
    }
    return version_at;
}

static enum status file_look(struct search *search, const struct mapped_object *object,
                             const struct elf_image *image) {
    struct elf_file *file = NULL;
    enum status status = elf_file_open(search->process, object, image, &file);
    if (status != STATUS_OK) {
        /* A file that may not be read says nothing about the process's memory. */
        return status == STATUS_DENIED ? STATUS_ABSENT : status;
    }
    struct raddr address;
    uint64_t size = 0;
    if (elf_file_section(file, ".PyRuntime", &address, &size) == STATUS_OK) {
        candidate_add(search, object, image, address, version_look(file, image),
                      "its section .PyRuntime");
    } else if (elf_file_symbol(file, "_PyRuntime", &address) == STATUS_OK) {
        candidate_add(search, object, image, address, version_look(file, image),
                      "its symbol table");
    }
    elf_file_close(file);
    return STATUS_OK;
}

/* The last resort, for the program only. */
static enum status data_look(struct search *search, const struct mapped_object *object,
                             const struct elf_image *image) {
    struct raddr address;
    enum status status = STATUS_ABSENT;
    if (is_large(object) && strcmp(object->first->path, search->program) == 0) {
        status = runtime_scan(image, object, &address);
    }
    if (status == STATUS_OK) {
        candidate_add(search, object, image, address, RADDR_NULL, "the look of its data");
    }
    return status;
}

typedef enum status look_function(struct search *search, const struct mapped_object *object,
                                  const struct elf_image *image);

static bool is_too_long(const struct search *search) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - search->begun.tv_sec) * 1000 +
               (now.tv_nsec - search->begun.tv_nsec) / 1000000 >
           PATIENCE_MS;
}

/* Looks at each object of a round in one way. */
static enum status round_run(struct search *search, enum round round, look_function *look) {
    size_t position = 0;
    struct mapped_object object;
    while (mappings_next_object(search->mappings, &position, &object)) {
        struct elf_image image;
        if (!belongs(search, &object, round)) {
            continue;
        }
        if (is_too_long(search)) {
            search->out->cut = true;
            break;
        }
        enum status status = elf_image_read(search->process, &object, &image);
        if (status == STATUS_OK) {
            status = look(search, &object, &image);
        }
        if (is_final(status)) {
            return status;
        }
    }
    return STATUS_OK;
}

enum status runtime_candidates_find(const struct process *process, const struct mappings *mappings,
                                    struct runtime_candidates *out) {
    static const struct {
        enum round round;
        look_function *look;
    } steps[] = {
        {ROUND_NAMED, symbols_look},  {ROUND_NAMED, file_look},  {ROUND_NAMED, stranger_look},
        {ROUND_OTHERS, symbols_look}, {ROUND_OTHERS, file_look}, {ROUND_NAMED, data_look},
    };
    struct search search = {.process = process, .mappings = mappings, .out = out};
    out->count = 0;
    out->stranger = NULL;
    out->cut = false;
    (void)clock_gettime(CLOCK_MONOTONIC, &search.begun);
    program_read(&search);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == STATUS_OK; ++i) {
        if (out->count > 0 || out->stranger != NULL) {
            break;
        }
        status = round_run(&search, steps[i].round, steps[i].look);
    }
    return status;
}
