/* interposer: a library to preload, which says so when it is loaded, and when it sees a program
 * started. NAME, a letter, is a macro. */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void begin(void) {
    (void)!write(1, NAME " ", 2);
}
int execve(const char *path, char *const argv[], char *const envp[]) {
    int (*next)(const char *, char *const *, char *const *) = dlsym(RTLD_NEXT, "execve");
    (void)!write(1, NAME "! ", 3);
    return next(path, argv, envp);
}
