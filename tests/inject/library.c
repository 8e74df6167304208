/* The library that the tests get into targets: leaves a sealed memfd in the process, which shows in
 * /proc/PID/fd by a name with the pid and how often the library was called so far. Libc only, no
 * header of Python's. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

__attribute__((visibility("default"))) void *PyInit_echion_shim(void);

void *PyInit_echion_shim(void) {
    static int calls;
    char name[64];
    (void)snprintf(name, sizeof name, "echion-marker-%d-%d", getpid(), ++calls);
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return NULL;
}
