#include "daemon/target/syscall_name.h"

#include <criterion/criterion.h>
#include <sys/syscall.h>

Test(syscall_name, by_word_size) {
    cr_expect_str_eq(syscall_name(SYS_read, 8), "read");
    cr_expect_str_eq(syscall_name(SYS_futex, 8), "futex");
    cr_expect_str_eq(syscall_name(SYS_epoll_wait, 8), "epoll_wait");
    cr_expect_str_eq(syscall_name(SYS_clock_nanosleep, 8), "clock_nanosleep");
    /* arch/x86/entry/syscalls/syscall_32.tbl */
    cr_expect_str_eq(syscall_name(3, 4), "read");
    cr_expect_str_eq(syscall_name(240, 4), "futex");
    cr_expect_str_eq(syscall_name(422, 4), "futex_time64");
}

Test(syscall_name, what_nobody_waits_in) {
    cr_expect_null(syscall_name(SYS_getpid, 8));
    cr_expect_null(syscall_name(-1, 8));
    cr_expect_null(syscall_name(-1, 4));
    cr_expect_null(syscall_name(100000, 8));
}
