/* make_profile FORMAT FILE [ROUNDS]: writes a small profile through the real writers, for check.py
 * to read with programs that nobody here wrote. It has what can trip a reader up: names beyond
 * ASCII, colons and spaces, torn stacks, empty stacks, trampolines, nameless code, several threads,
 * processes and interpreters, recursion, large and zero metrics, and batches that repeat and that
 * are new. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/output/writer.h"
#include "tests/unit/output/made.h"

enum { ROUNDS = 50, FUNCTIONS = 40, STACKS = 60, DEPTH_MAX = 24 };

static const char *const files[] = {
    "/srv/app/main.py", "/srv/app/worker pool.py", "/srv/gr\xC3\xBCn/\xE5\x90\x8D\xE5\x89\x8D.py",
    "<string>",         "<frozen runpy>",          "C:/odd:name.py",
};

static const char *const threads[] = {"MainThread", "Thread-1 (serve)", "4242", "pool: a b",
                                      "\xF0\x9F\x90\x8D thread"};

static void require(enum status status, const struct error *error) {
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "make_profile: %s\n", error->text);
        exit(1);
    }
}

/* A sequence that looks random and is always the same. */
static uint32_t next(void) {
    static uint64_t state = 42;
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(state >> 33);
}

static const struct code *make_function(int number) {
    char name[64] = "";
    if (number != 7) {
        (void)snprintf(name, sizeof name, "%s%d",
                       number % 5 == 0 ? "Class.<locals>.m\xC3\xA9thode_" : "f_", number);
    }
    return made_code(files[number % 6], name, 10 * number + 1, 60);
}

static uint32_t make_stack(struct batch *batch, const struct code *const *functions) {
    uint32_t node = BATCH_EMPTY_STACK;
    uint32_t depth = next() % DEPTH_MAX;
    for (uint32_t i = 0; i < depth; i++) {
        node = batch_child(batch, node, functions[next() % FUNCTIONS], next() % 60);
    }
    return next() % 10 == 0 ? batch_child(batch, node, NULL, 0) : node;
}

static void fill(struct batch *batch, const struct code *const *functions) {
    uint32_t known[10];
    for (uint32_t i = 0; i < 10; i++) {
        known[i] = batch_thread(batch, i < 8 ? 4321 : 4400, i < 6 ? 0 : 3, threads[i % 5]);
    }
    for (uint32_t i = 0; i < STACKS; i++) {
        uint32_t node = make_stack(batch, functions);
        uint32_t repeats = 1 + next() % 3;
        for (uint32_t j = 0; j < repeats; j++) {
            int64_t metric = next() % 7 == 0 ? 0 : next() % 3000000;
            if (!batch_sample(batch, known[next() % 10], node, 1 + next() % 3, metric)) {
                abort();
            }
        }
    }
}

int main(int argc, char **argv) {
    struct error error = {.text = "out of memory"};
    if (argc != 3 && argc != 4) {
        (void)fprintf(stderr, "Usage: make_profile austin|mojo FILE [ROUNDS]\n");
        return 64;
    }
    int rounds = argc == 4 ? atoi(argv[3]) : ROUNDS;
    enum output_format format =
        strcmp(argv[1], "mojo") == 0 ? OUTPUT_FORMAT_MOJO : OUTPUT_FORMAT_AUSTIN;
    const struct code *functions[FUNCTIONS];
    for (int i = 0; i < FUNCTIONS; i++) {
        functions[i] = i == 13 ? made_hidden_code() : make_function(i);
    }
    int fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct writer *writer = NULL;
    struct batch *batch = NULL;
    if (fd < 0) {
        perror(argv[2]);
        return 1;
    }
    require(writer_create(format, fd, &writer, &error), &error);
    require(batch_create(output_formats[format].merge, &batch), &error);
    require(writer_metadata(writer, "austin", "3.7.0", &error), &error);
    require(writer_metadata(writer, "mode", "wall", &error), &error);
    require(writer_metadata_number(writer, "interval", 1000, &error), &error);
    for (int round = 0; round < rounds; round++) {
        fill(batch, functions);
        require(writer_batch(writer, batch, &error), &error);
        require(writer_flush(writer, &error), &error);
        batch_clear(batch);
        functions[round % FUNCTIONS] = make_function(100 + round);
    }
    require(writer_metadata_number(writer, "duration", 50000000, &error), &error);
    require(writer_finish(writer, &error), &error);
    writer_destroy(writer);
    batch_destroy(batch);
    return 0;
}
