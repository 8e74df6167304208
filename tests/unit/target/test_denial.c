#include "daemon/target/denial.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"

/* A process that could be read but for what a test changes. */
static const struct denial nothing = {.pid = 4711, .uid = 7, .own_uid = 7, .yama = -1};

static void says(struct denial denial, const char *reason, const char *remedy) {
    struct error error = {.text = ""};
    cr_assert_eq(denial_describe(&denial, &error), STATUS_DENIED);
    cr_assert_eq(error.status, STATUS_DENIED);
    cr_assert_not_null(strstr(error.text, "process 4711"), "%s", error.text);
    cr_assert_not_null(strstr(error.text, reason), "'%s' lacks '%s'", error.text, reason);
    cr_assert_not_null(strstr(error.text, remedy), "'%s' lacks '%s'", error.text, remedy);
    cr_assert_lt(strlen(error.text), ERROR_TEXT_MAX - 1, "cut: %s", error.text);
}

Test(denial, every_reason_has_a_text_and_a_remedy) {
    struct denial denial = nothing;
    says(denial, "security module", "sudo setcap cap_sys_ptrace+ep");
    denial.other_user = true;
    says(denial, "belongs to user 7", "--cap-add=SYS_PTRACE");
    denial = nothing;
    denial.other_user_namespace = true;
    says(denial, "another user namespace", "inside of that one");
    denial.capable = true;
    says(denial, "CAP_SYS_PTRACE does not count", "as root outside of the container");
    denial = nothing;
    denial.more_capabilities = true;
    says(denial, "capabilities that we do not have", "sudo");
    denial = nothing;
    denial.not_dumpable = true;
    says(denial, "not dumpable", "sudo");
    denial = nothing;
    denial.capable = true;
    says(denial, "although we have CAP_SYS_PTRACE", "profile");
    denial = nothing;
    denial.filtered = true;
    says(denial, "seccomp", "--cap-add=SYS_PTRACE");
}

Test(denial, yama) {
    struct denial denial = nothing;
    denial.yama = 1;
    says(denial, "kernel.yama.ptrace_scope is 1", "echion python");
    says(denial, "kernel.yama.ptrace_scope is 1", "sysctl kernel.yama.ptrace_scope=0");
    denial.yama = 2;
    says(denial, "kernel.yama.ptrace_scope is 2", "cap_sys_ptrace+ep");
    denial.yama = 3;
    denial.capable = true; /* not even then */
    says(denial, "kernel.yama.ptrace_scope is 3", "restart the machine");
    denial = nothing;
    denial.yama = 0;
    says(denial, "security module", "sudo");
}

Test(denial, texts_fit_whatever_the_numbers) {
    struct denial denial = {.pid = INT32_MAX, .uid = UINT32_MAX, .own_uid = UINT32_MAX};
    for (unsigned bits = 0; bits < 256; ++bits) {
        denial.filtered = bits & 1;
        denial.capable = bits & 2;
        denial.other_user = bits & 4;
        denial.more_capabilities = bits & 8;
        denial.not_dumpable = bits & 16;
        denial.other_user_namespace = bits & 32;
        denial.yama = (int)(bits >> 6);
        struct error error;
        (void)denial_describe(&denial, &error);
        cr_assert_lt(strlen(error.text), ERROR_TEXT_MAX - 1, "cut: %s", error.text);
    }
}

static struct denial read_of(pid_t pid) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d", pid);
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct denial denial = denial_read(pid, dir);
    (void)close(dir);
    return denial;
}

Test(denial, nothing_is_in_the_way_of_ourselves) {
    struct denial denial = read_of(getpid());
    cr_assert_not(denial.filtered);
    cr_assert_not(denial.other_user);
    cr_assert_not(denial.more_capabilities);
    cr_assert_not(denial.not_dumpable);
    cr_assert_not(denial.other_user_namespace);
}

static void become_undumpable_nobody(void *unused) {
    (void)unused;
    (void)syscall(SYS_setresgid, 65534, 65534, 65534);
    (void)syscall(SYS_setresuid, 65534, 65534, 65534);
    (void)prctl(PR_SET_DUMPABLE, 0);
}

/* As nobody, and for good. */
static void denied_by_dumpable(void *pid) {
    become_undumpable_nobody(NULL);
    struct denial denial = read_of(*(pid_t *)pid);
    if (denial.capable || denial.other_user || !denial.not_dumpable || denial.uid != 65534) {
        abort();
    }
}

Test(denial, another_user_and_not_dumpable) {
    if (geteuid() != 0) {
        cr_skip_test("takes root");
    }
    struct child other = child_fork(become_undumpable_nobody, NULL);
    struct denial denial = read_of(other.pid);
    cr_assert(denial.capable);
    cr_assert(denial.other_user);
    cr_assert(denial.not_dumpable);
    cr_assert_eq(denial.uid, 65534);
    struct child observer = child_fork(denied_by_dumpable, &other.pid);
    child_end(&observer);
    child_end(&other);
}

/* From here on process_vm_readv is refused, as in some containers. */
static void filter_reads(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

Test(denial, a_seccomp_filter_of_our_own) {
    struct child child = child_fork(NULL, NULL);
    filter_reads();
    struct process process;
    struct error error = {.text = ""};
    cr_assert_eq(process_open(child.pid, &process, &error), STATUS_DENIED);
    cr_assert_not_null(strstr(error.text, "seccomp"), "%s", error.text);
    child_end(&child);
}
