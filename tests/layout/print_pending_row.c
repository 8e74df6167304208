/* layout_print_pending MINOR WORD_SIZE: writes the daemon's row of the queue of pending calls. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/inject/pending_layout.h"

static void print(const char *name, uint32_t value) {
    if (value != PENDING_LAYOUT_NONE) {
        (void)printf("%s=%u\n", name, value);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s MINOR WORD_SIZE\n", argv[0]);
        return 64;
    }
    const struct pending_layout *row = pending_layout_find((unsigned)strtoul(argv[1], NULL, 10),
                                                           (unsigned)strtoul(argv[2], NULL, 10));
    if (row == NULL) {
        return 1;
    }
    print("queue", row->queue);
    print("lock", row->lock);
    print("count", row->count);
    print("max", row->max);
    print("breaker", row->breaker);
    print("calls", row->calls);
    print("slot_size", row->slot_size);
    print("slots", row->slots);
    print("first", row->first);
    print("next", row->next);
    print("finishing", row->finishing);
    print("breaker_mask", row->breaker_mask);
    return 0;
}
