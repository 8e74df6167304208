#include "tests/unit/cli/reading.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct listing {
    FILE *out;
    const struct names *names;
};

static enum status list_metadata(void *context, const char *key, const char *value) {
    struct listing *listing = context;
    (void)fprintf(listing->out, "%s=%s\n", key, value);
    return STATUS_OK;
}

static enum status list_sample(void *context, const struct profile_sample *sample) {
    struct listing *listing = context;
    (void)fprintf(listing->out, "%" PRId64 "/%" PRId64 "/%.*s ", sample->pid, sample->interpreter,
                  (int)sample->thread_size, sample->thread);
    for (uint32_t i = 0; i < sample->depth; i++) {
        (void)fprintf(listing->out, "%s%s", i > 0 ? ";" : "",
                      names_text(listing->names, sample->frames[i], NULL));
    }
    (void)fprintf(listing->out, " %" PRId64 "\n", sample->metric);
    return STATUS_OK;
}

static struct reading read_all(struct profile_input *input) {
    struct reading reading = {.text = NULL};
    struct names *names = NULL;
    size_t size;
    cr_assert_eq(names_create(&names), STATUS_OK);
    struct listing listing = {.out = open_memstream(&reading.text, &size), .names = names};
    struct profile_taker taker = {&listing, list_metadata, list_sample};
    reading.status = profile_read(input, names, &taker, &reading.facts, &reading.error);
    (void)fclose(listing.out);
    names_destroy(names);
    profile_input_close(input);
    return reading;
}

struct reading reading_of(const void *bytes, size_t size) {
    struct profile_input input;
    profile_input_over(&input, bytes, size);
    return read_all(&input);
}

struct reading reading_of_pipe(const void *bytes, size_t size) {
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        for (size_t at = 0; at < size; at += 7) {
            if (write(ends[1], (const char *)bytes + at, size - at < 7 ? size - at : 7) < 0) {
                _exit(1);
            }
        }
        _exit(0);
    }
    close(ends[1]);
    struct profile_input input;
    cr_assert_eq(profile_input_open(&input, ends[0]), STATUS_OK);
    struct reading reading = read_all(&input);
    close(ends[0]);
    waitpid(child, NULL, 0);
    return reading;
}
