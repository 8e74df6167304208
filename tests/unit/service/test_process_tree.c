#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/service/process_tree.h"

static unsigned forgotten;
static pid_t forgotten_last;

static void forget(struct process_tree_node *node) {
    forgotten++;
    forgotten_last = node->pid;
}

static struct process_tree *tree_of(pid_t root) {
    struct process_tree *tree = NULL;
    struct error error = {.text = ""};
    forgotten = 0;
    cr_assert_eq(process_tree_create(root, PROCESS_TREE_MAX, &tree, &error), STATUS_OK, "%s",
                 error.text);
    return tree;
}

static const struct process_tree_node *node_of(struct process_tree *tree, pid_t pid) {
    for (size_t i = 0; i < process_tree_count(tree); i++) {
        if (process_tree_node(tree, i)->pid == pid) {
            return process_tree_node(tree, i);
        }
    }
    return NULL;
}

static pid_t sleeper(void) {
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            (void)pause();
        }
    }
    cr_assert_gt(pid, 0);
    return pid;
}

static void end(pid_t pid) {
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

/* A child that reports the pid of a child of its own. */
static pid_t parent(pid_t *child) {
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pid_t grandchild = sleeper();
        (void)!write(ends[1], &grandchild, sizeof grandchild);
        for (;;) {
            (void)pause();
        }
    }
    cr_assert_eq(read(ends[0], child, sizeof *child), (ssize_t)sizeof *child);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return pid;
}

Test(process_tree, finds_children_and_theirs) {
    pid_t grandchild = 0;
    pid_t child = parent(&grandchild);
    struct process_tree *tree = tree_of(getpid());
    cr_assert(process_tree_round(tree, forget));
    cr_assert(process_tree_round(tree, forget), "the grandchild is found in a later round");
    cr_assert_not_null(node_of(tree, getpid()));
    cr_assert_not_null(node_of(tree, child));
    cr_assert_not_null(node_of(tree, grandchild));
    cr_assert_gt(node_of(tree, grandchild)->pages, 0);
    cr_assert_eq(node_of(tree, grandchild)->execs, 1);
    cr_assert_not(process_tree_round(tree, forget), "nothing is new");
    cr_assert_eq(process_tree_count(tree), 3);

    /* An orphan that was seen stays. */
    end(child);
    cr_assert(process_tree_round(tree, forget));
    cr_assert_eq(forgotten, 1);
    cr_assert_eq(forgotten_last, child);
    cr_assert_not_null(node_of(tree, grandchild));
    cr_assert_eq(kill(grandchild, SIGKILL), 0);
    process_tree_destroy(tree);
}

Test(process_tree, does_not_look_below_what_is_cut) {
    pid_t grandchild = 0;
    pid_t child = parent(&grandchild);
    struct process_tree *tree = tree_of(child);
    process_tree_node(tree, 0)->cut = true;
    (void)process_tree_round(tree, forget);
    (void)process_tree_round(tree, forget);
    cr_assert_eq(process_tree_count(tree), 1);
    process_tree_node(tree, 0)->cut = false;
    (void)process_tree_round(tree, forget);
    cr_assert_eq(process_tree_count(tree), 2);
    process_tree_destroy(tree);
    end(child);
    cr_assert_eq(kill(grandchild, SIGKILL), 0);
}

Test(process_tree, notices_another_program) {
    int go[2];
    cr_assert_eq(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        (void)!read(go[0], &byte, 1);
        (void)execl("/bin/sleep", "sleep", "1000", NULL);
        _exit(127);
    }
    struct process_tree *tree = tree_of(child);
    (void)process_tree_round(tree, forget);
    cr_assert_eq(process_tree_node(tree, 0)->execs, 1);
    cr_assert_eq(write(go[1], "", 1), 1);
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 10000 && !process_tree_round(tree, forget); i++) {
        (void)nanosleep(&pause, NULL);
    }
    cr_assert_eq(process_tree_node(tree, 0)->execs, 2);
    process_tree_destroy(tree);
    end(child);
}

Test(process_tree, zombies_and_missing_processes_are_not_there) {
    pid_t zombie = fork();
    if (zombie == 0) {
        _exit(0);
    }
    siginfo_t info;
    cr_assert_eq(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT), 0);
    struct process_tree *tree = tree_of(getpid());
    (void)process_tree_round(tree, forget);
    cr_assert_eq(process_tree_count(tree), 1);
    process_tree_destroy(tree);

    struct error error;
    cr_assert_neq(process_tree_create(zombie, PROCESS_TREE_MAX, &tree, &error), STATUS_OK);
    cr_assert_eq(waitpid(zombie, NULL, 0), zombie);
    cr_assert_eq(process_tree_create(zombie, PROCESS_TREE_MAX, &tree, &error), STATUS_ABSENT);
}

Test(process_tree, this_kernel_lists_children) {
    cr_assert(process_tree_sees_children());
}
