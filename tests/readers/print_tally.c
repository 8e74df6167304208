/* print_tally FILE: what our own reader makes of a profile, exact and for programs: lines of
 * numbers and names between tabs, the first one with samples and metric together. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/tally.h"

int main(int argc, char **argv) {
    struct tally tally;
    struct profile_input input;
    struct profile_facts facts;
    struct error error = {.text = "out of memory"};
    int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        (void)fprintf(stderr, "Usage: print_tally FILE\n");
        return 64;
    }
    if (tally_init(&tally) != STATUS_OK || profile_input_open(&input, fd) != STATUS_OK) {
        return 71;
    }
    struct profile_taker taker = tally_taker(&tally);
    if (profile_read(&input, tally.names, &taker, &facts, &error) != STATUS_OK) {
        (void)fprintf(stderr, "print_tally: %s: %s\n", argv[1], error.text);
        return 65;
    }
    (void)printf("%" PRIu64 "\t%" PRId64 "\n", tally.samples, tally.total);
    for (uint32_t i = 0; i < names_count(tally.names) && i < tally.capacity; i++) {
        const struct tally_function *function = &tally.functions[i];
        if (function->last_sample != 0) {
            (void)printf("%" PRId64 "\t%" PRId64 "\t%s\n", function->self, function->total,
                         names_text(tally.names, i, NULL));
        }
    }
    profile_input_close(&input);
    tally_deinit(&tally);
    (void)close(fd);
    return 0;
}
