#include "daemon/inject/confinement.h"

#include <criterion/criterion.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is said of a child that has done `confine`. */
static enum status look(void (*confine)(void), struct error *error) {
    int ready[2];
    cr_assert_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        confine();
        (void)!write(ready[1], "", 1);
        (void)pause();
    }
    char byte = 0;
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    struct process process = PROCESS_NONE;
    cr_assert_eq(process_open(pid, &process, error), STATUS_OK);
    enum status status = confinement_check(&process, error);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    process_close(&process);
    return status;
}

static void nothing(void) {
}

static void few_bytes(void) {
    (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 4096, .rlim_max = RLIM_INFINITY});
}

static void few_files(void) {
    (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = 12, .rlim_max = 12});
}

static void many_bytes(void) {
    (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 1 << 30, .rlim_max = 1 << 30});
}

static void filter(void) {
    struct sock_filter all = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
    const struct sock_fprog program = {.len = 1, .filter = &all};
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

Test(confinement, an_ordinary_process_is_not_confined) {
    struct error error = {.text = ""};
    cr_expect_eq(look(nothing, &error), STATUS_OK, "%s", error.text);
    cr_expect_eq(look(many_bytes, &error), STATUS_OK, "%s", error.text);
}

Test(confinement, small_files_only) {
    struct error error = {.text = ""};
    cr_expect_eq(look(few_bytes, &error), STATUS_UNSUPPORTED);
    cr_expect_not_null(strstr(error.text, "RLIMIT_FSIZE"), "%s", error.text);
}

Test(confinement, hardly_any_file_more) {
    struct error error = {.text = ""};
    cr_expect_eq(look(few_files, &error), STATUS_UNSUPPORTED);
    cr_expect_not_null(strstr(error.text, "RLIMIT_NOFILE"), "%s", error.text);
}

Test(confinement, a_filter_whatever_it_lets_through) {
    struct error error = {.text = ""};
    cr_expect_eq(look(filter, &error), STATUS_UNSUPPORTED);
    cr_expect_not_null(strstr(error.text, "seccomp"), "%s", error.text);
}

Test(confinement, a_process_that_has_ended) {
    struct error error = {.text = ""};
    struct process process = PROCESS_NONE;
    pid_t pid = fork();
    if (pid == 0) {
        (void)pause();
    }
    cr_assert_eq(process_open(pid, &process, &error), STATUS_OK);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    bool filtered = false;
    cr_expect_eq(confinement_check(&process, &error), STATUS_GONE);
    cr_expect_eq(confinement_look(&process, &filtered), STATUS_GONE);
    process_close(&process);
}
