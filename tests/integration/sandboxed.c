/* Forbids itself all system calls but those that it takes to become its first argument, and does
 * so: any other ends it. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const unsigned allowed[] = {
    SYS_execve,     SYS_brk,   SYS_access, SYS_openat,    SYS_newfstatat,
    SYS_fstat,      SYS_mmap,  SYS_close,  SYS_read,      SYS_pread64,
    SYS_arch_prctl, SYS_rseq,  SYS_write,  SYS_mprotect,  SYS_set_tid_address,
    SYS_exit_group, SYS_futex, SYS_munmap, SYS_getrandom, SYS_set_robust_list,
    SYS_prlimit64,
};

enum { ALLOWED = sizeof allowed / sizeof allowed[0] };

int main(int argc, char **argv) {
    struct sock_filter filter[ALLOWED * 2 + 2];
    unsigned short count = 0;
    if (argc < 2) {
        return 98;
    }
    filter[count++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < ALLOWED; i++) {
        filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    const struct sock_fprog program = {.len = count, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        return 99;
    }
    execv(argv[1], argv + 1);
    return errno;
}
