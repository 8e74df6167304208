#include "daemon/target/mappings.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"

#define PAGE ((size_t)4096)

static struct process self(void) {
    struct process process = PROCESS_NONE;
    cr_assert_eq(process_open(getpid(), &process, NULL), STATUS_OK);
    return process;
}

static struct mappings read_of(const struct process *process) {
    struct mappings mappings = MAPPINGS_NONE;
    struct error error = {.text = ""};
    cr_assert_eq(mappings_read(process, &mappings, &error), STATUS_OK, "%s", error.text);
    return mappings;
}

static const struct mapping *find(const struct mappings *mappings, const void *pointer) {
    return mappings_find(mappings, raddr_make((uintptr_t)pointer));
}

static void *map_file(const char *path, size_t size, int protection, size_t offset) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, (off_t)(16 * PAGE)), 0);
    void *mapped = mmap(NULL, size, protection, MAP_PRIVATE, fd, (off_t)offset);
    cr_assert_neq(mapped, MAP_FAILED);
    (void)close(fd);
    return mapped;
}

Test(mappings, sorted_and_found_by_address) {
    struct process process = self();
    struct mappings mappings = read_of(&process);
    cr_assert_gt(mappings.count, 10);
    for (size_t i = 0; i < mappings.count; ++i) {
        const struct mapping *item = &mappings.items[i];
        cr_assert_lt(item->start.v, item->end.v);
        cr_assert(i == 0 || mappings.items[i - 1].end.v <= item->start.v);
        cr_assert_eq(mappings_find(&mappings, item->start), item);
        cr_assert_eq(mappings_find(&mappings, raddr_make(item->end.v - 1)), item);
    }
    cr_assert_null(mappings_find(&mappings, RADDR_NULL));
    cr_assert_null(mappings_find(&mappings, raddr_make(UINT64_MAX)));
    int local = 0;
    const struct mapping *stack = find(&mappings, &local);
    cr_assert(stack->readable && stack->writable && !stack->executable && !stack->shared);
    cr_assert_eq(stack->inode, 0);
    mappings_deinit(&mappings);
    mappings_deinit(&mappings);
    process_close(&process);
}

Test(mappings, what_a_line_says) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s", child_path("a name\n with (deleted)"));
    void *mapped = map_file(path, 2 * PAGE, PROT_READ | PROT_EXEC, 3 * PAGE);
    struct process process = self();
    struct mappings mappings = read_of(&process);
    const struct mapping *item = find(&mappings, mapped);
    struct stat stat;
    cr_assert_eq(lstat(path, &stat), 0);
    cr_assert_eq(item->start.v, (uintptr_t)mapped);
    cr_assert_eq(item->end.v - item->start.v, 2 * PAGE);
    cr_assert_eq(item->offset, 3 * PAGE);
    cr_assert_eq(item->inode, stat.st_ino);
    cr_assert(item->readable && item->executable && !item->writable && !item->shared);
    /* A file may be named like a deleted one: that is what `deleted` cannot tell. */
    cr_assert(item->deleted);
    cr_assert_eq(strncmp(item->path, path, strlen(item->path)), 0);
    mappings_deinit(&mappings);

    (void)unlink(path);
    mappings = read_of(&process);
    item = find(&mappings, mapped);
    cr_assert(item->deleted);
    cr_assert_str_eq(item->path, path);
    mappings_deinit(&mappings);
    process_close(&process);
}

static void map_many(void *count) {
    for (unsigned i = 0; i < *(unsigned *)count; ++i) {
        /* Different protections keep neighbours from being merged. */
        (void)mmap(NULL, PAGE, i % 2 == 0 ? PROT_READ : PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
}

Test(mappings, as_many_as_the_kernel_allows) {
    unsigned count = 60000;
    struct child child = child_fork(map_many, &count);
    struct process process = child_open(&child);
    struct mappings mappings = read_of(&process);
    cr_assert_geq(mappings.count, count);
    mappings_deinit(&mappings);
    process_close(&process);
    child_end(&child);
}

Test(mappings, of_a_process_that_has_ended) {
    struct child child = child_fork(NULL, NULL);
    struct process process = child_open(&child);
    child_end(&child);
    struct mappings mappings = MAPPINGS_NONE;
    struct error error = {.text = ""};
    cr_assert_eq(mappings_read(&process, &mappings, &error), STATUS_GONE);
    cr_assert_not_null(strstr(error.text, "has ended"), "%s", error.text);
    cr_assert_null(mappings.items);
    process_close(&process);
}

Test(mappings, objects) {
    struct process process = self();
    struct mappings mappings = read_of(&process);
    Dl_info libc;
    cr_assert_neq(dladdr((void *)(uintptr_t)&getpid, &libc), 0);
    size_t position = 0;
    unsigned seen = 0;
    struct mapped_object object;
    uint64_t before = 0;
    while (mappings_next_object(&mappings, &position, &object)) {
        cr_assert_geq(object.first->start.v, before);
        before = object.last->end.v;
        cr_assert_eq(object.first->offset, 0);
        cr_assert_neq(object.first->inode, 0);
        cr_assert(mapped_object_owns(&object, object.first));
        cr_assert(mapped_object_owns(&object, object.last));
        if (object.first->start.v == (uintptr_t)libc.dli_fbase) {
            ++seen;
            cr_assert_not_null(strstr(object.first->path, "libc"));
            const struct mapping *code = find(&mappings, (void *)(uintptr_t)libc.dli_saddr);
            cr_assert(code >= object.first && code <= object.last);
            cr_assert(code->executable);
        }
    }
    cr_assert_eq(seen, 1);
    mappings_deinit(&mappings);
    process_close(&process);
}

Test(mappings, a_file_mapped_twice_is_two_objects) {
    char *place = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open(child_path("twice"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(ftruncate(fd, (off_t)(2 * PAGE)), 0);
    for (size_t i = 0; i < 2; ++i) {
        (void)mmap(place + i * 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
        (void)mmap(place + i * 2 * PAGE + PAGE, PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_FIXED, fd, PAGE);
    }
    struct process process = self();
    struct mappings mappings = read_of(&process);
    size_t position = (size_t)(find(&mappings, place) - mappings.items);
    struct mapped_object object;
    for (size_t i = 0; i < 2; ++i) {
        cr_assert(mappings_next_object(&mappings, &position, &object));
        cr_assert_eq(object.first->start.v, (uintptr_t)(place + i * 2 * PAGE));
        cr_assert_eq(object.last->end.v, (uintptr_t)(place + (i + 1) * 2 * PAGE));
    }
    mappings_deinit(&mappings);
    process_close(&process);
}

Test(mappings, data_in_the_first_page_of_the_file) {
    char *place = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open(child_path("tiny"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(ftruncate(fd, (off_t)PAGE), 0);
    const int protections[] = {PROT_READ | PROT_EXEC, PROT_READ, PROT_READ | PROT_WRITE};
    for (size_t i = 0; i < 3; ++i) {
        cr_assert_neq(mmap(place + i * PAGE, PAGE, protections[i], MAP_PRIVATE | MAP_FIXED, fd, 0),
                      MAP_FAILED);
    }
    struct process process = self();
    struct mappings mappings = read_of(&process);
    size_t position = (size_t)(find(&mappings, place) - mappings.items);
    struct mapped_object object;
    cr_assert(mappings_next_object(&mappings, &position, &object));
    cr_assert_eq(object.first->start.v, (uintptr_t)place);
    cr_assert_eq(object.last->end.v, (uintptr_t)(place + 3 * PAGE));
    mappings_deinit(&mappings);
    process_close(&process);
}
