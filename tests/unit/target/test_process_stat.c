#include "daemon/target/process_stat.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

static int dir_of(pid_t pid) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d", pid);
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(dir, 0);
    return dir;
}

Test(process_stat, of_ourselves) {
    int dir = dir_of(getpid());
    struct process_stat stat;
    cr_assert_eq(process_stat_read(dir, &stat), STATUS_OK);
    cr_assert_eq(stat.state, 'R');
    cr_assert_eq(stat.parent, getppid());
    cr_assert_geq(stat.threads, 1);
    cr_assert_gt(stat.start_time, 0);
    cr_assert_not(process_stat_is_kernel_thread(&stat));
    cr_assert_not(process_stat_is_zombie(&stat));
    (void)close(dir);
}

static void take_a_bad_name(void *unused) {
    (void)unused;
    (void)prctl(PR_SET_NAME, ") Z 1 (\033\n");
}

Test(process_stat, a_name_that_misleads) {
    struct child child = child_fork(take_a_bad_name, NULL);
    int dir = dir_of(child.pid);
    struct process_stat stat;
    cr_assert_eq(process_stat_read(dir, &stat), STATUS_OK);
    cr_assert_eq(stat.parent, getpid());
    cr_assert_not(process_stat_is_zombie(&stat));
    cr_assert_str_eq(stat.comm, ") Z 1 (??");

    (void)kill(child.pid, SIGKILL);
    siginfo_t info;
    cr_assert_eq(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
    cr_assert_eq(process_stat_read(dir, &stat), STATUS_OK);
    cr_assert(process_stat_is_zombie(&stat));
    child_end(&child);
    cr_assert_eq(process_stat_read(dir, &stat), STATUS_GONE);
    (void)close(dir);
}
