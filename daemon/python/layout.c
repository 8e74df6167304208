#include "daemon/python/layout.h"

#include <stddef.h>

#include "daemon/python/rows.h"

static const struct {
    const struct py_layout *rows;
    size_t count;
} tables[] = {
    {rows_heap_chain, ROWS_HEAP_CHAIN_COUNT},
    {rows_datastack, ROWS_DATASTACK_COUNT},
    {rows_stackref, ROWS_STACKREF_COUNT},
};

const struct py_layout *layout_find(unsigned major, unsigned minor, unsigned word_size) {
    for (size_t t = 0; t < sizeof tables / sizeof *tables; ++t) {
        for (size_t i = 0; i < tables[t].count; ++i) {
            const struct py_layout *row = &tables[t].rows[i];
            if (row->major == major && row->minor == minor && row->word_size == word_size) {
                return row;
            }
        }
    }
    return NULL;
}
