/* layout_print_row MAJOR MINOR WORD_SIZE [TABLE]: writes the row that the daemon has for a CPython;
 * with TABLE, a file that begins with the interpreter's _Py_DebugOffsets, as refilled from that. */
#include <stdio.h>
#include <stdlib.h>

#include "common/guard.h"
#include "daemon/python/debug_offsets.h"
#include "daemon/python/layout.h"
#include "tests/layout/layout_print.h"

static int row_refill(struct py_layout *layout, const char *path) {
    GUARD_FILE FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    uint8_t bytes[4096];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    bool free_threaded;
    struct error error;
    if (debug_offsets_apply(bytes, size, layout->minor, layout->word_size, layout, &free_threaded,
                            &error) != STATUS_OK) {
        (void)fprintf(stderr, "%s: %s\n", path, error.text);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 5) {
        (void)fprintf(stderr, "usage: %s MAJOR MINOR WORD_SIZE [TABLE]\n", argv[0]);
        return 64;
    }
    unsigned numbers[3];
    for (int i = 0; i < 3; ++i) {
        numbers[i] = (unsigned)strtoul(argv[i + 1], NULL, 10);
    }
    const struct py_layout *row = layout_find(numbers[0], numbers[1], numbers[2]);
    if (row == NULL) {
        (void)fprintf(stderr, "no row for %s.%s with %s-byte words\n", argv[1], argv[2], argv[3]);
        return 1;
    }
    struct py_layout layout = *row;
    if (argc == 5 && row_refill(&layout, argv[4]) != 0) {
        return 1;
    }
    layout_print(stdout, &layout);
    layout_print_behaviour(stdout, &layout);
    const struct sync_layout *sync = sync_layout_find(&layout);
    const struct value_layout *values = value_layout_find(&layout);
    if (sync == NULL || values == NULL) {
        (void)fprintf(stderr, "there is a row without those beside it\n");
        return 1;
    }
    layout_print_sync(stdout, sync);
    layout_print_values(stdout, values);
    return 0;
}
