/* process_tree: the processes that a launched command consists of, as far as they can be the Python
 * that is looked for: the command and what it forks, but nothing below a branch that was cut.
 *
 * Looked at by polling /proc, which needs no right and does not touch the processes; a round costs
 * three system calls per process. A process is kept by its open /proc folder, so that another one
 * which takes its number is never mistaken for it. One that was seen once stays even if its parent
 * ends. Owned and used by one thread. Warm: a round allocates only when there is a new process. */
#ifndef ECHION_DAEMON_SERVICE_PROCESS_TREE_H
#define ECHION_DAEMON_SERVICE_PROCESS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"

struct process_tree;

enum { PROCESS_TREE_MAX = 1024 }; /* processes at most; later ones are not seen */

struct process_tree_node {
    pid_t pid;
    /* Set by a round. */
    uint64_t execs; /* times that another program was seen in it */
    uint64_t pages; /* size of its address space */
    /* The user's. */
    bool cut; /* what it forks from now on does not belong to the tree */
    void *notes;
};

/* A tree with one process, and room for `most`. Each takes up to three descriptors. */
STATUS_CHECKED enum status process_tree_create(pid_t root, size_t most, struct process_tree **out,
                                               struct error *error);
void process_tree_destroy(struct process_tree *tree);

/* Looks at all processes once. `forget` is called with each one that has ended, before it leaves.
 * Returns whether anything came, went, or became another program. */
bool process_tree_round(struct process_tree *tree, void (*forget)(struct process_tree_node *node));

size_t process_tree_count(const struct process_tree *tree);
struct process_tree_node *process_tree_node(struct process_tree *tree, size_t index);

/* Whether there were processes that could not be taken in: too many, or no descriptors left. */
bool process_tree_is_short(const struct process_tree *tree);

/* False where the kernel does not list a process's children (CONFIG_PROC_CHILDREN). */
bool process_tree_sees_children(void);

#endif
