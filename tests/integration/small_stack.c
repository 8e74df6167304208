/* small_stack fork|vfork PROGRAM [ARGUMENT...]: starts a program from a thread with the smallest
 * stack that there is. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static char **words;
static int status;
static void *start(void *unused) {
    pid_t pid = strcmp(words[1], "vfork") == 0 ? vfork() : fork();
    if (pid == 0) {
        execv(words[2], words + 2);
        _exit(9);
    }
    waitpid(pid, &status, 0);
    return unused;
}
int main(int argc, char **argv) {
    pthread_attr_t attributes;
    pthread_t thread;
    words = argv;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    pthread_create(&thread, &attributes, start, NULL);
    pthread_join(thread, NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
