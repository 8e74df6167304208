/* print_row MAJOR MINOR WORD_SIZE: writes the row that the daemon would use. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/python/layout.h"
#include "tests/layout/layout_print.h"

int main(int argc, char **argv) {
    if (argc != 4) {
        (void)fprintf(stderr, "usage: %s MAJOR MINOR WORD_SIZE\n", argv[0]);
        return 64;
    }
    unsigned numbers[3];
    for (int i = 0; i < 3; ++i) {
        numbers[i] = (unsigned)strtoul(argv[i + 1], NULL, 10);
    }
    const struct py_layout *layout = layout_find(numbers[0], numbers[1], numbers[2]);
    if (layout == NULL) {
        (void)fprintf(stderr, "no row for %s.%s with %s-byte words\n", argv[1], argv[2], argv[3]);
        return 1;
    }
    layout_print(stdout, layout);
    return 0;
}
