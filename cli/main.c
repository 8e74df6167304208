/* echion: what people type. Prints reports itself; for everything else it becomes echiond, which is
 * installed beside it, under its own name and with the same arguments. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/report.h"

enum { EXIT_NO_DAEMON = 71 }; /* EX_OSERR of sysexits.h */

/* Where echiond is, seen from the folder that echion is in: the build's bin/, or an installation's.
 */
static const char *const places[] = {"echiond", "../sbin/echiond", "../libexec/echiond",
                                     "../bin/echiond"};

/* The folder of this program, with a slash at its end. */
static int find_folder(char *out, size_t size) {
    ssize_t length = readlink("/proc/self/exe", out, size - 1);
    if (length <= 0) {
        return -1;
    }
    out[length] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL) {
        return -1;
    }
    slash[1] = '\0';
    return 0;
}

static int become_daemon(char **argv) {
    static char name[] = "echion";
    char folder[PATH_MAX];
    if (find_folder(folder, sizeof folder) != 0) {
        (void)fprintf(stderr, "echion: cannot tell where this program is: is /proc mounted?\n");
        return EXIT_NO_DAEMON;
    }
    argv[0] = name;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char path[PATH_MAX + 32];
        (void)snprintf(path, sizeof path, "%s%s", folder, places[i]);
        (void)execv(path, argv);
        if (errno != ENOENT && errno != ENOTDIR) {
            (void)fprintf(stderr, "echion: cannot run '%s': %s\n", path, strerror(errno));
            return EXIT_NO_DAEMON;
        }
    }
    (void)fprintf(
        stderr,
        "echion: there is no echiond in %s, nor in sbin, libexec or bin beside it: install "
        "Echion whole\n",
        folder);
    return EXIT_NO_DAEMON;
}

/* `echion where [OPTION...] PID` is `echion [OPTION...] --where PID`, and options may follow the
 * PID, which is the first word that is none. What is wrong or missing, echiond says. */
static int become_where(int argc, char **argv) {
    static char option[] = "--where";
    char **words = calloc((size_t)argc + 1, sizeof *words);
    if (words == NULL) {
        (void)fprintf(stderr, "echion: out of memory\n");
        return EXIT_NO_DAEMON;
    }
    int count = 1;
    bool given = false;
    for (int i = 2; i < argc; i++) {
        if (*argv[i] != '-' && !given) {
            words[count++] = option;
            given = true;
        }
        words[count++] = argv[i];
    }
    if (!given) {
        words[count] = option;
    }
    return become_daemon(words);
}

int main(int argc, char **argv) {
    static char *alone[] = {NULL, NULL};
    if (argc >= 2 && strcmp(argv[1], "report") == 0) {
        return report_main(argc - 1, argv + 1);
    }
    if (argc >= 2 && strcmp(argv[1], "where") == 0) {
        return become_where(argc, argv);
    }
    return become_daemon(argc > 0 ? argv : alone);
}
