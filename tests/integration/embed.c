/* embed: a program with a Python of its own. Run by test_embedded.py.
 *
 *     embed main SCRIPT      the main thread runs the script
 *     embed thread SCRIPT    another thread does, and the main thread never sees Python
 *     embed again SCRIPT     one interpreter came and went before the one that runs it
 */
#include <Python.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void *run(void *argument) {
    const char *path = argument;
    FILE *script = fopen(path, "r");
    if (script == NULL) {
        perror(path);
        return argument;
    }
    Py_InitializeEx(0);
    int failed = PyRun_SimpleFile(script, path);
    (void)fclose(script);
    Py_Finalize();
    return failed ? argument : NULL;
}

int main(int argc, char **argv) {
    void *failed = argv;
    pthread_t thread;
    if (argc != 3) {
        return 98;
    }
    if (strcmp(argv[1], "again") == 0) {
        Py_InitializeEx(0);
        (void)PyRun_SimpleString("import threading, json\n");
        Py_Finalize();
    }
    if (strcmp(argv[1], "thread") != 0) {
        failed = run(argv[2]);
    } else if (pthread_create(&thread, NULL, run, argv[2]) == 0) {
        (void)pthread_join(thread, &failed);
    }
    return failed != NULL;
}
