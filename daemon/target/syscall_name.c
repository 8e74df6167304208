/* Numbers from the kernel's arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl, which never
 * change. */
#include "daemon/target/syscall_name.h"

#include <stddef.h>

struct numbered {
    const char *name;
    int16_t in_64, in_32; /* -1: there is none */
};

/* clang-format off */
static const struct numbered names[] = {
    {"read", 0, 3}, {"write", 1, 4}, {"pread64", 17, 180}, {"pwrite64", 18, 181},
    {"readv", 19, 145}, {"writev", 20, 146}, {"preadv", 295, 333}, {"pwritev", 296, 334},
    {"preadv2", 327, 378}, {"pwritev2", 328, 379}, {"poll", 7, 168}, {"ppoll", 271, 309},
    {"ppoll_time64", -1, 414}, {"select", 23, 82}, {"_newselect", -1, 142}, {"pselect6", 270, 308},
    {"pselect6_time64", -1, 413}, {"epoll_wait", 232, 256}, {"epoll_pwait", 281, 319},
    {"epoll_pwait2", 441, 441}, {"nanosleep", 35, 162}, {"clock_nanosleep", 230, 267},
    {"clock_nanosleep_time64", -1, 407}, {"pause", 34, 29}, {"futex", 202, 240},
    {"futex_time64", -1, 422}, {"futex_waitv", 449, 449}, {"wait4", 61, 114}, {"waitid", 247, 284},
    {"waitpid", -1, 7}, {"accept", 43, -1}, {"accept4", 288, 364}, {"connect", 42, 362},
    {"recvfrom", 45, 371}, {"recvmsg", 47, 372}, {"recvmmsg", 299, 337},
    {"recvmmsg_time64", -1, 417}, {"sendto", 44, 369}, {"sendmsg", 46, 370}, {"sendmmsg", 307, 345},
    {"socketcall", -1, 102}, {"ipc", -1, 117}, {"open", 2, 5}, {"openat", 257, 295},
    {"openat2", 437, 437}, {"close", 3, 6}, {"flock", 73, 143}, {"fcntl", 72, 55},
    {"fcntl64", -1, 221}, {"fsync", 74, 118}, {"fdatasync", 75, 148}, {"msync", 26, 144},
    {"sync", 162, 36}, {"syncfs", 306, 344}, {"sync_file_range", 277, 314}, {"ioctl", 16, 54},
    {"splice", 275, 313}, {"tee", 276, 315}, {"vmsplice", 278, 316}, {"sendfile", 40, 187},
    {"sendfile64", -1, 239}, {"copy_file_range", 326, 377}, {"rt_sigtimedwait", 128, 177},
    {"rt_sigtimedwait_time64", -1, 421}, {"rt_sigsuspend", 130, 179}, {"sigsuspend", -1, 72},
    {"sched_yield", 24, 158}, {"semop", 65, -1}, {"semtimedop", 220, -1},
    {"semtimedop_time64", -1, 420}, {"msgrcv", 70, 401}, {"msgsnd", 69, 400},
    {"mq_timedreceive", 243, 280}, {"mq_timedreceive_time64", -1, 419}, {"mq_timedsend", 242, 279},
    {"mq_timedsend_time64", -1, 418}, {"io_getevents", 208, 247}, {"io_pgetevents", 333, 385},
    {"io_uring_enter", 426, 426}, {"getdents", 78, 141}, {"getdents64", 217, 220}, {"stat", 4, 106},
    {"stat64", -1, 195}, {"lstat", 6, 107}, {"lstat64", -1, 196}, {"fstat", 5, 108},
    {"fstat64", -1, 197}, {"newfstatat", 262, -1}, {"fstatat64", -1, 300}, {"statx", 332, 383},
    {"access", 21, 33}, {"faccessat", 269, 307}, {"faccessat2", 439, 439}, {"unlink", 87, 10},
    {"unlinkat", 263, 301}, {"rename", 82, 38}, {"renameat", 264, 302}, {"renameat2", 316, 353},
    {"mkdir", 83, 39}, {"mkdirat", 258, 296}, {"rmdir", 84, 40}, {"truncate", 76, 92},
    {"ftruncate", 77, 93}, {"fallocate", 285, 324}, {"mmap", 9, 90}, {"mmap2", -1, 192},
    {"munmap", 11, 91}, {"mprotect", 10, 125}, {"mremap", 25, 163}, {"madvise", 28, 219},
    {"brk", 12, 45}, {"exit", 60, 1}, {"exit_group", 231, 252}, {"vfork", 58, 190},
    {"clone", 56, 120}, {"clone3", 435, 435}, {"execve", 59, 11}, {"execveat", 322, 358},
    {"ptrace", 101, 26}, {"process_vm_readv", 310, 347}, {"userfaultfd", 323, 374},
    {"getrandom", 318, 355}, {"mount", 165, 21}, {"umount2", 166, 52}, {"finit_module", 313, 350},
    {"restart_syscall", 219, 0},
};
/* clang-format on */

const char *syscall_name(int64_t number, unsigned word_size) {
    for (size_t i = 0; number >= 0 && i < sizeof names / sizeof *names; i++) {
        if ((word_size == 8 ? names[i].in_64 : names[i].in_32) == number) {
            return names[i].name;
        }
    }
    return NULL;
}
