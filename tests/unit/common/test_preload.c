#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/preload.h"

#define SHIM "/opt/echion/shim.so"
#define BEFORE_SHIM "x/opt/echion/shim.so"
#define BEHIND_SHIM "/opt/echion/shim.sox"

/* An environment as the kernel lays it out: strings one behind the other. */
struct laid_out {
    char *array[16];
    char bytes[1024];
    size_t used;
};

static void lay_out(struct laid_out *out, char *const *env) {
    size_t count = 0;
    memset(out, 0, sizeof *out);
    for (; env[count] != NULL; count++) {
        size_t size = strlen(env[count]) + 1;
        out->array[count] = memcpy(out->bytes + out->used, env[count], size);
        out->used += size;
    }
}

static void expect_same(char *const *env, const char *const *expected) {
    size_t i = 0;
    for (; expected[i] != NULL; i++) {
        cr_assert_not_null(env[i], "variable %zu is missing", i);
        cr_assert_str_eq(env[i], expected[i]);
    }
    cr_assert_null(env[i]);
}

/* What a loader would go by: the last LD_PRELOAD. */
static const char *in_force(char *const *env) {
    const char *value = NULL;
    for (; *env != NULL; env++) {
        value = strncmp(*env, "LD_PRELOAD=", 11) == 0 ? *env + 11 : value;
    }
    return value;
}

/* Adds, as exec does; then takes it out as the new program does, and compares. */
static void there_and_back(const char *const *env, const char *expected) {
    struct preload_room room;
    char *given[16], *array[16], text[256];
    memcpy((void *)given, (const void *)env, sizeof given);
    cr_assert(preload_measure(given, SHIM, &room));
    cr_assert_leq(room.pointers, 16);
    cr_assert_leq(room.bytes, sizeof text);
    memset(text, '?', sizeof text);
    preload_add(given, SHIM, array, text);
    cr_assert_null(array[room.pointers - 1]);
    cr_assert_eq(text[room.bytes - 1], '\0');
    cr_assert_eq(text[room.bytes], '?', "not a byte too many");
    cr_assert_str_eq(in_force(array), expected);
    cr_assert_not(preload_measure(array, SHIM, &room), "once is enough");

    struct laid_out out;
    lay_out(&out, array);
    size_t before = out.used - (strlen(text) + 1);
    struct laid_out plain;
    lay_out(&plain, given);
    cr_assert(preload_remove(out.array, NULL, SHIM));
    expect_same(out.array, env);
    cr_assert_eq(memcmp(out.bytes, plain.bytes, sizeof plain.bytes), 0, "no trace in the bytes");
    cr_assert_eq(before, plain.used);
    cr_assert_not(preload_remove(out.array, NULL, SHIM), "it is out");
}

#define GIVEN(...) ((char *const[16]){__VA_ARGS__})
#define ENV(...) ((const char *const[16]){__VA_ARGS__})

Test(preload, unset) {
    there_and_back(ENV("A=1", "B=2"), SHIM);
    there_and_back(ENV(NULL), SHIM);
}

Test(preload, set) {
    there_and_back(ENV("A=1", "LD_PRELOAD=x.so:y.so", "B=2"), "x.so:y.so:" SHIM);
    there_and_back(ENV("LD_PRELOAD=x.so y.so"), "x.so y.so:" SHIM);
    there_and_back(ENV("A=1", "LD_PRELOAD=", "B=2"), ":" SHIM);
    there_and_back(ENV("LD_PRELOAD=:"), "::" SHIM);
    there_and_back(ENV("LD_PRELOAD=x" SHIM ":" SHIM "x"), "x" SHIM ":" SHIM "x:" SHIM);
}

Test(preload, odd_environments) {
    there_and_back(ENV("", "no equals sign", "=", "LD_PRELOAD", "LD_PRELOADX=1", "A=1"), SHIM);
    there_and_back(ENV("LD_PRELOAD=a", "B=2", "LD_PRELOAD=b", "C=3"), "b:" SHIM);
    there_and_back(ENV("LD_PRELOAD=a", "LD_PRELOAD="), ":" SHIM);
    there_and_back(ENV("LD_PRELOAD=", "LD_PRELOAD=a"), "a:" SHIM);
    there_and_back(ENV("A=1", "A=2", "A=1"), SHIM);
}

Test(preload, nothing_where_the_loader_lists_libraries) {
    struct preload_room room;
    char list[] = "LD_TRACE_LOADED_OBJECTS=1", debug[] = "LD_DEBUG=libs", a[] = "A=1";
    char other[] = "LD_DEBUG_OUTPUT=x";
    cr_assert_not(preload_measure(GIVEN(a, list), SHIM, &room));
    cr_assert_not(preload_measure(GIVEN(debug, a), SHIM, &room));
    cr_assert(preload_measure(GIVEN(other, a), SHIM, &room));
}

Test(preload, no_environment_at_all) {
    struct preload_room room;
    char *array[2], text[64];
    cr_assert(preload_measure(NULL, SHIM, &room));
    cr_assert_eq(room.pointers, 2);
    preload_add(NULL, SHIM, array, text);
    cr_assert_str_eq(array[0], "LD_PRELOAD=" SHIM);
    cr_assert_null(array[1]);
}

static void expect_removed(char *const *env, const char *const *expected) {
    struct laid_out out;
    lay_out(&out, env);
    cr_assert(preload_remove(out.array, NULL, SHIM));
    expect_same(out.array, expected);
    for (size_t i = 0; i + sizeof SHIM <= sizeof out.bytes; i++) {
        cr_assert_neq(memcmp(out.bytes + i, SHIM, sizeof SHIM - 1), 0, "it is still in the bytes");
    }
}

Test(preload, somebody_rewrote_it) {
    char middle[] = "LD_PRELOAD=x:" SHIM ":y", first[] = "LD_PRELOAD=" SHIM " y";
    char last[] = "LD_PRELOAD=x:" SHIM, twice[] = "LD_PRELOAD=" SHIM ":" SHIM ":z:" SHIM;
    char alone[] = "LD_PRELOAD=" SHIM, a[] = "A=1", x[] = "LD_PRELOAD=x";
    expect_removed(GIVEN(a, middle), ENV("A=1", "LD_PRELOAD=x:y"));
    expect_removed(GIVEN(first, a), ENV("LD_PRELOAD=y", "A=1"));
    expect_removed(GIVEN(last, a), ENV("LD_PRELOAD=x", "A=1"));
    expect_removed(GIVEN(twice), ENV("LD_PRELOAD=z"));
    expect_removed(GIVEN(a, alone, x), ENV("A=1", "LD_PRELOAD=x"));
    expect_removed(GIVEN(x, a, last), ENV("LD_PRELOAD=x", "A=1"));
    expect_removed(GIVEN(last, last), ENV("LD_PRELOAD=x"));
}

Test(preload, what_is_not_there_is_not_taken_out) {
    char other[] = "LD_PRELOAD=x" SHIM ":" SHIM ".1", a[] = SHIM "=1", b[] = "B=" SHIM;
    struct laid_out out;
    lay_out(&out, GIVEN(other, a, b));
    cr_assert_not(preload_remove(out.array, NULL, SHIM));
    expect_same(out.array, ENV(other, a, b));
}

Test(preload, another_array_of_the_same_strings) {
    char *copy[16];
    struct laid_out out;
    char a[] = "A=1", alone[] = "LD_PRELOAD=" SHIM, added[] = "C=3";
    lay_out(&out, GIVEN(a, alone));
    copy[0] = out.array[0];
    copy[1] = added;
    copy[2] = out.array[1];
    copy[3] = NULL;
    cr_assert(preload_remove(out.array, copy, SHIM));
    expect_same(out.array, ENV("A=1"));
    expect_same(copy, ENV("A=1", "C=3"));
}

/* Whatever stands there: with the entry and without it again it is the same. */
Test(preload, random_environments) {
    static const char *const pieces[] = {"LD_PRELOAD", "=",  ":", " ",         BEHIND_SHIM,
                                         "a.so",       "X=", "",  BEFORE_SHIM, "LD_"};
    unsigned seed = 7;
    for (unsigned round = 0; round < 20000; round++) {
        static char strings[8][128];
        const char *env[16] = {NULL};
        unsigned count = (unsigned)rand_r(&seed) % 8;
        for (unsigned i = 0; i < count; i++) {
            strings[i][0] = '\0';
            if (rand_r(&seed) % 2 == 0) {
                (void)strcat(strings[i], "LD_PRELOAD=");
            }
            for (int k = rand_r(&seed) % 4; k > 0; k--) {
                (void)strcat(strings[i], pieces[(unsigned)rand_r(&seed) % 10]);
            }
            env[i] = strings[i];
        }
        char expected[256];
        const char *now = in_force((char *const *)(const void *)env);
        (void)snprintf(expected, sizeof expected, "%s%s" SHIM, now == NULL ? "" : now,
                       now == NULL ? "" : ":");
        there_and_back(env, expected);
    }
}
