#include "daemon/target/rights.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"

struct attempt {
    const char *path;
    int errnum; /* 0: it could be read */
    pid_t tid;
    unsigned runs;
};

static void attempt_run(void *context) {
    struct attempt *attempt = context;
    int fd = open(attempt->path, O_RDONLY | O_CLOEXEC);
    attempt->errnum = fd < 0 ? errno : 0;
    attempt->tid = (pid_t)syscall(SYS_gettid);
    attempt->runs++;
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* A file with these owners and permissions. */
static const char *file_of(uid_t uid, gid_t gid, mode_t mode) {
    const char *path = child_path("file");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(fchown(fd, uid, gid), 0);
    cr_assert_eq(fchmod(fd, mode), 0);
    (void)close(fd);
    return path;
}

static int attempt_as(struct rights rights, const char *path) {
    struct attempt attempt = {.path = path, .errnum = -1};
    cr_assert_eq(rights_run(&rights, attempt_run, &attempt), STATUS_OK);
    cr_assert_eq(attempt.runs, 1);
    return attempt.errnum;
}

static void take_root(void) {
    if (geteuid() != 0) {
        cr_skip_test("takes root");
    }
}

static const struct rights nobody = {.uid = 65534, .gid = 65534};

Test(rights, what_others_may_not_read_we_do_not) {
    take_root();
    cr_assert_eq(attempt_as(nobody, file_of(0, 0, 0600)), EACCES);
    cr_assert_eq(attempt_as(nobody, file_of(0, 0, 0711)), EACCES); /* executable only */
    cr_assert_eq(attempt_as(nobody, file_of(0, 0, 0644)), 0);
    cr_assert_eq(attempt_as(nobody, file_of(65534, 0, 0400)), 0);
    cr_assert_eq(attempt_as(nobody, file_of(65534, 0, 0044)), EACCES);
    cr_assert_eq(attempt_as(nobody, file_of(0, 65534, 0640)), 0);
}

Test(rights, supplementary_groups_are_the_owners) {
    take_root();
    gid_t ours[] = {1234};
    cr_assert_eq(setgroups(1, ours), 0);
    cr_assert_eq(attempt_as(nobody, file_of(0, 1234, 0640)), EACCES);
    struct rights member = nobody;
    member.groups[member.group_count++] = 4321;
    cr_assert_eq(attempt_as(member, file_of(0, 4321, 0640)), 0);
    cr_assert_eq(attempt_as(member, file_of(0, 1234, 0640)), EACCES);
    cr_assert_eq(getgroups(1, ours), 1);
    cr_assert_eq(ours[0], 1234);
}

Test(rights, nothing_of_them_stays) {
    take_root();
    struct attempt attempt = {.path = file_of(0, 0, 0600)};
    (void)prctl(PR_SET_PDEATHSIG, 15);
    (void)prctl(PR_SET_DUMPABLE, 1);
    cr_assert_eq(rights_run(&nobody, attempt_run, &attempt), STATUS_OK);
    cr_assert_neq(attempt.tid, getpid());
    int signal = 0;
    cr_assert_eq(prctl(PR_GET_PDEATHSIG, &signal), 0);
    cr_assert_eq(signal, 15);
    cr_assert_eq(prctl(PR_GET_DUMPABLE), 1);
    cr_assert_eq(syscall(SYS_setfsuid, -1), 0);
    cr_assert_eq(syscall(SYS_setfsgid, -1), 0);
    attempt_run(&attempt);
    cr_assert_eq(attempt.errnum, 0);
}

Test(rights, our_own_need_no_thread) {
    struct rights rights = {.uid = geteuid(), .gid = getegid()};
    struct attempt attempt = {.path = "/"};
    cr_assert_eq(rights_run(&rights, attempt_run, &attempt), STATUS_OK);
    if (geteuid() == 0) {
        cr_assert_eq(attempt.tid, getpid());
    }
}

/* What a service has that runs as a user of its own, with capabilities. */
static void user_with_overrides(void) {
    (void)prctl(PR_SET_KEEPCAPS, 1);
    if (syscall(SYS_setresgid, 4711, 4711, 4711) != 0 ||
        syscall(SYS_setresuid, 4711, 4711, 4711) != 0) {
        abort();
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {
        {.permitted = 1U << CAP_DAC_READ_SEARCH, .effective = 1U << CAP_DAC_READ_SEARCH}};
    if (syscall(SYS_capset, &header, sets) != 0) {
        abort();
    }
}

static void without_overrides(void *path) {
    user_with_overrides();
    struct attempt attempt = {.path = path, .errnum = -1};
    attempt_run(&attempt);
    struct rights own = {.uid = 4711, .gid = 4711};
    struct attempt bounded = {.path = path, .errnum = -1};
    if (attempt.errnum != 0 || rights_run(&own, attempt_run, &bounded) != STATUS_OK ||
        bounded.errnum != EACCES || rights_run(&nobody, attempt_run, &bounded) != STATUS_DENIED ||
        bounded.runs != 1) {
        abort();
    }
}

Test(rights, capabilities_to_override_are_not_used) {
    take_root();
    struct child child = child_fork(without_overrides, (void *)(uintptr_t)file_of(0, 0, 0600));
    child_end(&child);
}

static void become_member(void *unused) {
    (void)unused;
    gid_t groups[] = {7, 8, 9};
    (void)setgroups(3, groups);
    (void)syscall(SYS_setresgid, 6, 6, 6);
    (void)syscall(SYS_setresuid, 5, 5, 5);
}

Test(rights, of_a_process) {
    take_root();
    struct child child = child_fork(become_member, NULL);
    struct process process = child_open(&child);
    struct rights rights;
    cr_assert_eq(rights_read(&process, &rights), STATUS_OK);
    cr_assert_eq(rights.uid, 5);
    cr_assert_eq(rights.gid, 6);
    cr_assert_eq(rights.group_count, 3);
    cr_assert(rights.groups[0] == 7 && rights.groups[1] == 8 && rights.groups[2] == 9);
    child_end(&child);
    cr_assert_eq(rights_read(&process, &rights), STATUS_GONE);
    process_close(&process);
}
