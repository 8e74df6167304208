#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conversation.h"
#include "daemon/python/thread_names.h"

enum { NAME_MAX_POINTS = 1024 };

static uint32_t point_at(const struct thread_name *name, uint32_t index) {
    uint32_t point = 0;
    memcpy(&point, name->text + (size_t)index * name->kind, name->kind);
    return point;
}

static bool name_is(const struct thread_name *name, const uint32_t *points, uint32_t length) {
    length = length < NAME_MAX_POINTS ? length : NAME_MAX_POINTS;
    for (uint32_t i = 0; i < length; i++) {
        if (i >= name->length || point_at(name, i) != points[i]) {
            return false;
        }
    }
    return name->length == length;
}

static bool name_is_text(const struct thread_name *name, const char *text) {
    uint32_t points[64];
    uint32_t length = (uint32_t)strlen(text);
    for (uint32_t i = 0; i < length; i++) {
        points[i] = (unsigned char)text[i];
    }
    return name_is(name, points, length);
}

/* Has the target do a step, and expects to read exactly what it tells. */
static void expect_names(struct conversation *conversation, struct thread_names *names,
                         const char *step) {
    conversation_ask(conversation, step);
    enum status status = thread_names_refresh(names, &conversation->memory, conversation->layout,
                                              conversation->interpreter);
    cr_assert_eq(status, STATUS_OK, "3.%u %s: %s", conversation->layout->minor, step,
                 status_name(status));
    cr_expect_eq(thread_names_count(names), conversation->told_count, "3.%u %s: %zu of %u",
                 conversation->layout->minor, step, thread_names_count(names),
                 conversation->told_count);
    for (unsigned i = 0; i < conversation->told_count; i++) {
        const struct told *told = &conversation->told[i];
        const struct thread_name *name =
            thread_names_find(names, told->ident, told->native_id, false);
        cr_expect(name != NULL && name->native_id == told->native_id &&
                      name_is(name, told->name, told->length),
                  "3.%u %s: thread %u", conversation->layout->minor, step, i);
    }
}

static struct thread_names *names_create(void) {
    struct thread_names *names = NULL;
    cr_assert_eq(thread_names_create(&names), STATUS_OK);
    return names;
}

static void expect_step(const char *step) {
    for (const char *const *python = conversation_pythons(); *python != NULL; python++) {
        struct conversation *conversation = conversation_open(*python);
        struct thread_names *names = names_create();
        expect_names(conversation, names, "nothing");
        expect_names(conversation, names, step);
        thread_names_destroy(names);
        conversation_close(conversation);
    }
}

Test(thread_names, every_kind_of_thread) {
    expect_step("kinds_of_threads");
}

Test(thread_names, threads_that_threading_did_not_start) {
    expect_step("dummies");
}

Test(thread_names, every_kind_of_name) {
    expect_step("kinds_of_names");
}

Test(thread_names, hundreds_of_threads) {
    expect_step("crowd");
}

Test(thread_names, thousands_of_modules) {
    expect_step("import_much");
}

Test(thread_names, renames_are_seen) {
    for (const char *const *python = conversation_pythons(); *python != NULL; python++) {
        struct conversation *conversation = conversation_open(*python);
        struct thread_names *names = names_create();
        expect_names(conversation, names, "kinds_of_threads");
        uint64_t generation = thread_names_generation(names);
        expect_names(conversation, names, "nothing");
        cr_expect_eq(thread_names_generation(names), generation);
        expect_names(conversation, names, "rename");
        cr_expect_gt(thread_names_generation(names), generation);
        thread_names_destroy(names);
        conversation_close(conversation);
    }
}

Test(thread_names, ident_and_native_id_must_match) {
    struct conversation *conversation = conversation_open(conversation_pythons()[0]);
    struct thread_names *names = names_create();
    expect_names(conversation, names, "kinds_of_threads");
    for (unsigned i = 0; i < conversation->told_count; i++) {
        const struct told *told = &conversation->told[i];
        const struct thread_name *other =
            thread_names_find(names, told->ident, told->native_id + 1, false);
        cr_expect_eq(other == NULL, told->native_id >= 0, "an unknown id matches any");
        cr_expect_not_null(thread_names_find(names, told->ident, -1, false));
        cr_expect_not_null(thread_names_find(names, told->ident, told->native_id + 1, true));
        cr_expect_null(thread_names_find(names, told->ident + 1, told->native_id, true));
    }
    thread_names_destroy(names);
    conversation_close(conversation);
}

/* Until gh-132542 the Thread in a forked child keeps the native id that it had in the parent. */
Test(thread_names, forked_child) {
    for (const char *const *python = conversation_pythons(); *python != NULL; python++) {
        struct conversation *conversation = conversation_open(*python);
        struct thread_names *names = names_create();
        expect_names(conversation, names, "kinds_of_threads");
        expect_names(conversation, names, "fork");
        cr_expect_eq(thread_names_count(names), 1);
        const struct told *told = &conversation->told[0];
        cr_expect_not_null(thread_names_find(names, told->ident, conversation->pid, true));
        thread_names_destroy(names);
        conversation_close(conversation);
    }
}

/* Each interpreter has its own sys.modules, and so its own names. */
Test(thread_names, interpreters_have_names_of_their_own) {
    for (const char *const *python = conversation_pythons(); *python != NULL; python++) {
        struct conversation *conversation = conversation_open(*python);
        struct thread_names *names = names_create();
        expect_names(conversation, names, "subinterpreter");
        struct raddr inner = conversation_interpreter(conversation);
        cr_assert(!raddr_equal(inner, conversation->interpreter));
        cr_expect_eq(
            thread_names_refresh(names, &conversation->memory, conversation->layout, inner),
            STATUS_OK);
        const struct thread_name *name =
            thread_names_find(names, conversation->told[0].ident, conversation->pid, true);
        cr_expect(name != NULL && name_is_text(name, "inner"), "3.%u", conversation->layout->minor);
        thread_names_destroy(names);
        conversation_close(conversation);
    }
}

static bool name_repeats(const struct thread_name *name, uint32_t point, uint32_t times) {
    for (uint32_t i = 0; i < name->length; i++) {
        if (point_at(name, i) != point) {
            return false;
        }
    }
    return name->length == times;
}

/* Whether a thread of the step "churn" ever had this name. */
static bool churn_has(const struct thread_name *name) {
    static const char *const constants[] = {"MainThread", "spawner", "fresh", "one", "the other"};
    char own[64];
    (void)snprintf(own, sizeof own, "short-%lld", (long long)name->native_id);
    for (unsigned i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (name_is_text(name, constants[i])) {
            return true;
        }
    }
    return name_is_text(name, own) || name_repeats(name, 'a', 10) || name_repeats(name, 'b', 900) ||
           name_repeats(name, 0x65e5, 400);
}

Test(thread_names, no_name_is_wrong_while_all_changes) {
    enum { ROUNDS = 1000 };
    for (const char *const *python = conversation_pythons(); *python != NULL; python++) {
        struct conversation *conversation = conversation_open(*python);
        struct thread_names *names = names_create();
        conversation_ask(conversation, "churn");
        size_t fine = 0, seen = 0;
        for (unsigned round = 0; round < ROUNDS; round++) {
            enum status status = thread_names_refresh(
                names, &conversation->memory, conversation->layout, conversation->interpreter);
            cr_assert(status == STATUS_OK || status == STATUS_TORN, "%s", status_name(status));
            fine += status == STATUS_OK;
            seen += thread_names_count(names);
            for (size_t i = 0; i < thread_names_count(names); i++) {
                const struct thread_name *name = thread_names_at(names, i);
                cr_expect(churn_has(name), "3.%u: a name of %u, kind %u",
                          conversation->layout->minor, name->length, name->kind);
            }
        }
        cr_expect_gt(fine, ROUNDS * 9 / 10, "3.%u: %zu of %d", conversation->layout->minor, fine,
                     ROUNDS);
        cr_expect_gt(seen, fine * 2);
        thread_names_destroy(names);
        conversation_close(conversation);
    }
}

Test(thread_names, target_that_ended) {
    struct conversation *conversation = conversation_open(conversation_pythons()[0]);
    struct thread_names *names = names_create();
    expect_names(conversation, names, "nothing");
    size_t before = thread_names_count(names);
    struct memory memory = conversation->memory;
    const struct py_layout *layout = conversation->layout;
    struct raddr interpreter = conversation->interpreter;
    conversation_close(conversation);
    cr_expect_eq(thread_names_refresh(names, &memory, layout, interpreter), STATUS_GONE);
    cr_expect_eq(thread_names_count(names), before, "what was known stays");
    thread_names_destroy(names);
}

/* Memory full of small numbers and of addresses of itself, as a program that lies could lay it out.
 */
Test(thread_names, memory_that_lies) {
    enum { WORDS = 1 << 15 };
    struct thread_names *names = names_create();
    for (unsigned minor = 8; minor <= 15; minor++) {
        for (unsigned word_size = 4; word_size <= 8; word_size += 4) {
            const struct py_layout *layout = layout_find(3, minor, word_size);
            struct memory memory = {.pid = getpid(), .word_size = (uint8_t)word_size};
            size_t size = WORDS * (size_t)word_size;
            uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
            cr_assert(layout != NULL && bytes != MAP_FAILED);
            srandom(minor * word_size);
            for (unsigned round = 0; round < 60; round++) {
                for (size_t i = 0; i < WORDS; i++) {
                    uint64_t word = (uint64_t)random();
                    if (round % 3 != 0 || word % 4 != 0) {
                        word = (uintptr_t)bytes + word % size;
                    } else if (word % 16 == 0) {
                        word = word % 64;
                    }
                    memcpy(bytes + i * word_size, &word, word_size);
                }
                enum status status = thread_names_refresh(names, &memory, layout,
                                                          raddr_make((uintptr_t)bytes + 4096));
                cr_expect_neq(status, STATUS_GONE);
                cr_expect_lt(thread_names_count(names), 100000);
            }
            (void)munmap(bytes, size);
        }
    }
    thread_names_destroy(names);
}
