#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/service/code_loader.h"
#include "python_child.h"

#define MS UINT64_C(1000000)

/* Answers expressions. What it makes stays: where things are is told as id() tells it. */
static const char program[] =
    "import sys\n"
    "class Outer:\n"
    "    def method(self):\n"
    "        yield self\n"
    "def plain(a, b):\n"
    "    c = a + b\n"
    "    return c\n"
    "kept = []\n"
    "def keep(thing):\n"
    "    kept.append(thing)\n"
    "    return id(thing)\n"
    "def named(**names):\n"
    "    if sys.version_info >= (3, 11) and 'co_name' in names:\n"
    "        names['co_qualname'] = names['co_name']\n"
    "    return plain.__code__.replace(**names)\n"
    "def make(name):\n" /* a hundred code objects, in place of those of before */
    "    global made\n"
    "    before = [id(thing) for thing in made]\n"
    "    made = []\n"
    "    made = [named(co_name=name) for i in range(100)]\n"
    "    return sum(id(thing) in before for thing in made)\n"
    "made = []\n"
    "class code: pass\n"
    "print('ready')\n"
    "for line in sys.stdin:\n"
    "    print(eval(line))\n";

struct scene {
    const char *interpreter;
    struct python_child child;
    struct memory memory;
    struct code_cache *codes;
    struct code_loader loader;
};

#define SAID(scene) "%s", (scene)->interpreter

/* Runs `body` with every interpreter that is here. */
static void each(void (*body)(struct scene *scene)) {
    for (const char *const *at = python_child_interpreters(); *at != NULL; at++) {
        struct scene scene = {.interpreter = *at};
        python_child_start_as(*at, program, &scene.child);
        scene.memory = process_memory(&scene.child.process);
        const struct py_layout *layout = &scene.child.runtime.layout;
        cr_assert_eq(code_cache_create(&scene.codes), STATUS_OK);
        code_loader_init(&scene.loader, &scene.memory, layout, opcode_table_find(layout->minor),
                         scene.codes);
        body(&scene);
        code_cache_destroy(scene.codes);
        python_child_end(&scene.child);
    }
}

/* The number that an expression of the child's has. */
static uint64_t ask(const struct scene *scene, const char *expression) {
    char line[512];
    char answer[64];
    (void)snprintf(line, sizeof line, "%s\n", expression);
    python_child_ask(&scene->child, line, answer, sizeof answer);
    return strtoull(answer, NULL, 10);
}

/* What is known of an address once it was learned. */
static const struct code_entry *learn(struct scene *scene, uint64_t address, uint64_t now_ns) {
    cr_assert_eq(code_loader_learn(&scene->loader, address, now_ns), STATUS_OK, SAID(scene));
    const struct code_entry *entry = code_cache_find(scene->codes, address);
    cr_assert_not_null(entry, SAID(scene));
    return entry;
}

/* The code object that an expression of the child's gives the address of. */
static const struct code *learn_code(struct scene *scene, const char *expression) {
    const struct code *code = learn(scene, ask(scene, expression), MS)->code;
    cr_assert_not_null(code, "%s: %s", scene->interpreter, expression);
    return code;
}

static void facts(struct scene *scene) {
    bool qualified = scene->child.runtime.layout.minor >= 11;
    const struct code *code = learn_code(scene, "id(plain.__code__)");
    cr_expect_str_eq(code->function, "plain", SAID(scene));
    cr_expect_str_eq(code->file, "<string>", SAID(scene));
    cr_expect_eq(code->address.v, ask(scene, "id(plain.__code__)"), SAID(scene));
    cr_expect_eq((uint64_t)code->first_line, ask(scene, "plain.__code__.co_firstlineno"),
                 SAID(scene));
    cr_expect_eq(code->flags, ask(scene, "plain.__code__.co_flags"), SAID(scene));
    cr_expect_eq(code->units, ask(scene, "len(plain.__code__.co_code) // 2"), SAID(scene));
    cr_expect_not(code->hidden, SAID(scene));
    for (uint32_t unit = 0; unit < code->units; unit++) {
        struct location location;
        code_locate(code, unit, &location);
        cr_expect_geq(location.line, code->first_line, SAID(scene));
        cr_expect_leq(location.line, code->first_line + 2, SAID(scene));
    }
    struct location last;
    code_locate(code, code->units - 1, &last);
    cr_expect_eq(last.line, code->first_line + 2, SAID(scene));

    code = learn_code(scene, "id(Outer.method.__code__)");
    cr_expect_str_eq(code->function, qualified ? "Outer.method" : "method", SAID(scene));
    cr_expect_eq(code->flags & 0x20, 0x20, "%s: CO_GENERATOR", scene->interpreter);
}

Test(code_loader, learns_what_there_is_to_know_of_a_code_object) {
    each(facts);
}

static void names(struct scene *scene) {
    const struct code *code =
        learn_code(scene, "keep(named(co_filename='/a;b\\n\\u65e5:/c.py', co_name='f:\\xe9;'))");
    cr_expect_str_eq(code->file, "/a_b_\xE6\x97\xA5:/c.py", SAID(scene));
    cr_expect_str_eq(code->function, "f_\xC3\xA9_", SAID(scene));
    code = learn_code(scene, "keep(named(co_filename='\\U0001f40d\\ud800', co_name=''))");
    cr_expect_str_eq(code->file, "\xF0\x9F\x90\x8D\xEF\xBF\xBD", SAID(scene));
    cr_expect_str_eq(code->function, "", SAID(scene));
    code = learn_code(scene, "keep(named(co_filename='x' * 100000, co_name='y' * 100000))");
    cr_expect_gt(strlen(code->file), 1000, SAID(scene));
    cr_expect_lt(strlen(code->file), 5000, SAID(scene));
    cr_expect_eq(strspn(code->file, "x"), strlen(code->file), SAID(scene));
    cr_expect_eq(strspn(code->function, "y"), strlen(code->function), SAID(scene));
}

Test(code_loader, names_are_made_fit_for_the_formats) {
    each(names);
}

static void large(struct scene *scene) {
    enum { LINES = 30000 };
    const struct code *code =
        learn_code(scene, "keep(compile('x = 1\\n' * 30000, 'large.py', 'exec'))");
    cr_expect_str_eq(code->function, "<module>", SAID(scene));
    cr_expect_str_eq(code->file, "large.py", SAID(scene));
    cr_expect_eq(code->units, ask(scene, "len(kept[-1].co_code) // 2"), SAID(scene));
    struct location last;
    code_locate(code, code->units - 1, &last);
    cr_expect_eq(last.line, LINES, SAID(scene));
}

Test(code_loader, a_code_object_may_be_large) {
    each(large);
}

static void again(struct scene *scene) {
    uint64_t address = ask(scene, "id(plain.__code__)");
    const struct code_entry *entry = learn(scene, address, 1000 * MS);
    const struct code *code = entry->code;
    uint64_t serial = code->serial;
    uint64_t believed_until_ns = entry->believed_until_ns;
    (void)ask(scene, "[plain(i, i) for i in range(1000)]"); /* specialised, where that is done */
    entry = learn(scene, address, 1080 * MS);
    cr_expect_eq(entry->code, code, SAID(scene));
    cr_expect_eq(entry->code->serial, serial, SAID(scene));
    cr_expect_gt(entry->believed_until_ns, believed_until_ns, SAID(scene));
    cr_expect_eq(entry->known_since_ns, 1000 * MS, SAID(scene));
}

Test(code_loader, what_is_still_right_is_believed_for_longer) {
    each(again);
}

static uint64_t made_address(const struct scene *scene, unsigned i) {
    char expression[32];
    (void)snprintf(expression, sizeof expression, "id(made[%u])", i);
    return ask(scene, expression);
}

static void replaced(struct scene *scene) {
    enum { CODES = 100 };
    uint64_t serial = 0;
    (void)ask(scene, "make('first')");
    for (unsigned i = 0; i < CODES; i++) {
        const struct code *code = learn(scene, made_address(scene, i), 1000 * MS)->code;
        cr_assert_not_null(code, SAID(scene));
        cr_expect_str_eq(code->function, "first", SAID(scene));
        serial = code->serial > serial ? code->serial : serial;
    }
    cr_assert_gt(ask(scene, "make('second')"), 0, "%s uses no address again", scene->interpreter);
    for (unsigned i = 0; i < CODES; i++) {
        const struct code_entry *entry = learn(scene, made_address(scene, i), 2000 * MS);
        cr_assert_not_null(entry->code, SAID(scene));
        cr_expect_str_eq(entry->code->function, "second", SAID(scene));
        cr_expect_gt(entry->code->serial, serial, SAID(scene));
        cr_expect_eq(entry->known_since_ns, 2000 * MS, SAID(scene)); /* as young as it is */
    }
}

Test(code_loader, another_code_object_at_its_address_takes_its_place) {
    each(replaced);
}

static void no_code(struct scene *scene) {
    static const char *const others[] = {
        "keep('a text')", "keep(12345678901)",
        "id(plain)",      "keep(b'x' * 1000)",
        "keep({})",       "keep(code())" /* of a type that is only named so */,
        "keep(code)",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        uint64_t address = ask(scene, others[i]);
        cr_expect_null(learn(scene, address, 1000 * MS)->code, "%s: %s", scene->interpreter,
                       others[i]);
        const struct code_entry *entry = learn(scene, address, 1080 * MS);
        cr_expect_null(entry->code, "%s: %s", scene->interpreter, others[i]);
        cr_expect_gt(entry->believed_until_ns, 1080 * MS, "%s: %s", scene->interpreter, others[i]);
    }
    const uint64_t nowhere[] = {8, 0x1000, UINT64_C(1) << 62, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        cr_expect_null(learn(scene, nowhere[i], 1000 * MS)->code, SAID(scene));
    }
}

Test(code_loader, remembers_where_there_is_no_code_object) {
    each(no_code);
}

static void ended(struct scene *scene) {
    uint64_t address = ask(scene, "id(Outer.method.__code__)");
    uint64_t unknown = ask(scene, "id(plain.__code__)");
    cr_assert_not_null(learn(scene, address, 1000 * MS)->code, SAID(scene));
    const struct memory gone = {.pid = 0x3ffffff, .word_size = scene->memory.word_size};
    scene->loader.memory = &gone;
    cr_expect_eq(code_loader_learn(&scene->loader, address, 3000 * MS), STATUS_GONE, SAID(scene));
    cr_expect_eq(code_loader_learn(&scene->loader, unknown, 3000 * MS), STATUS_GONE, SAID(scene));
    cr_expect_null(code_cache_find(scene->codes, unknown), SAID(scene));
    cr_expect_not_null(code_cache_find(scene->codes, address), SAID(scene));
}

Test(code_loader, of_a_process_that_is_gone_nothing_is_learned) {
    each(ended);
}
