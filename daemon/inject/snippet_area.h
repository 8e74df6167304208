/* snippet_area: the memory in a target where snippets lie: the tail of the last page of an object's
 * .bss, which the object has but does not use. A plain value; one thread at a time. Cold.
 *
 * It begins with a mark, by which a later daemon finds it again, so that there is one for a
 * target's life. The mark is written first, in one write, and everything behind it may be
 * unfinished. Then come the cells. One for pending calls from which a call may still be reading is
 * never written to, but to switch it off: whoever reads it has measured its length already. So each
 * new call takes the cell that the last one did not take: when that one is taken from the queue,
 * the call before it is over, as pending calls are made one after the other.
 *
 * Only objects come into question that are never unloaded: the program, the one with the
 * interpreter, and the libc. The loader's own tail is what it allocates from (glibc
 * elf/dl-minimal.c), and musl gives all tails to its malloc (ldso/dynlink.c, reclaim_gaps): there
 * is no area then. Nor is a tail used that is not zero throughout. */
#ifndef ECHION_DAEMON_INJECT_SNIPPET_AREA_H
#define ECHION_DAEMON_INJECT_SNIPPET_AREA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/raddr.h"
#include "common/status.h"
#include "daemon/inject/snippet.h"
#include "daemon/python/runtime.h"
#include "daemon/target/mappings.h"
#include "daemon/target/memory_write.h"
#include "daemon/target/process.h"

/* Cells for pending calls, and one more where a profile function may be needed. */
enum { SNIPPET_CELLS = 2, SNIPPET_CELL_HOOK = SNIPPET_CELLS, SNIPPET_MARK_SIZE = 15 };

struct snippet_area {
    struct raddr at;
    uint32_t cell_size; /* the longest text with its NUL */
    bool claimed;       /* the mark stands there */
};

/* Finds the marked one, or else the largest that could be, for `cells` cells. UNSUPPORTED: there is
 * none. GONE, DENIED, NOMEM, SYS. */
STATUS_CHECKED enum status snippet_area_find(const struct process *process,
                                             const struct memory_write *door,
                                             const struct runtime *runtime,
                                             const struct mappings *mappings, unsigned cells,
                                             struct snippet_area *out, struct error *error);

/* Writes the mark, unless it is there. These and the following: status as memory_write. */
STATUS_CHECKED enum status snippet_area_claim(const struct memory_write *door,
                                              struct snippet_area *area);

/* A cell's address: the argument of the call. */
static inline struct raddr snippet_area_cell(const struct snippet_area *area, unsigned cell) {
    return raddr_add(area->at, SNIPPET_MARK_SIZE + 1 + (uint64_t)cell * area->cell_size);
}

/* The cell of the call that was put in last, or SNIPPET_CELLS: it may be any, as somebody was
 * killed while putting one in. TORN: the mark is not there any more. */
STATUS_CHECKED enum status snippet_area_last(const struct memory_write *door,
                                             const struct snippet_area *area, unsigned *cell);
STATUS_CHECKED enum status snippet_area_set_last(const struct memory_write *door,
                                                 const struct snippet_area *area, unsigned cell);

/* Whether a cell has this text, but for its first byte. */
STATUS_CHECKED enum status snippet_area_has(const struct memory_write *door,
                                            const struct snippet_area *area, unsigned cell,
                                            const struct snippet *snippet, bool *has);

/* Writes a text that fits, so that there is an empty one until it stands whole. */
STATUS_CHECKED enum status snippet_area_write(const struct memory_write *door,
                                              const struct snippet_area *area, unsigned cell,
                                              const struct snippet *snippet);

/* SNIPPET_ON or SNIPPET_OFF. */
STATUS_CHECKED enum status snippet_area_switch(const struct memory_write *door,
                                               const struct snippet_area *area, unsigned cell,
                                               char byte);

#endif
