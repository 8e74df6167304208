/* echiond: the entry point. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/service/attach.h"
#include "daemon/service/exit_status.h"
#include "daemon/service/launch.h"
#include "daemon/service/notice.h"
#include "daemon/service/options.h"
#include "daemon/service/where.h"

/* A standard stream that we were started without must not become a file of ours. What is opened in
 * its place goes at exec, so that a launched command lacks it as we did. */
static void occupy_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            (void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
    }
}

/* echion is echiond under another name (cli/main.c): it names itself as the user typed it. */
static const char *program_name(const char *path) {
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    return name != NULL && strcmp(name, "echion") == 0 ? "echion" : "echiond";
}

static void explain(const struct options *options) {
    const char *what =
        options->cpu ? "CPU time of threads that use some" : "wall time of all threads";
    if (options->interval_ns == 0) {
        notice_explain("measuring the %s, as often as it goes", what);
    } else {
        notice_explain("measuring the %s, every %" PRIu64 " us", what, options->interval_ns / 1000);
    }
}

int main(int argc, char **argv) {
    const char *program = program_name(argc > 0 ? argv[0] : NULL);
    struct options options;
    struct error error;
    occupy_standard_streams();
    notice_init(program, false);
    if (options_parse(argc, argv, &options, &error) != STATUS_OK) {
        notice_say("%s", error.text);
        return EXIT_STATUS_USAGE;
    }
    notice_init(program, options.verbose);
    switch (options.action) {
    case OPTIONS_SHOW_HELP:
        options_print_help(program, stdout);
        break;
    case OPTIONS_SHOW_VERSION:
        options_print_version(program, stdout);
        break;
    case OPTIONS_WHERE: {
        bool stuck = false;
        int exit_status = where_run(&options, &stuck);
        if (stuck) {
            _exit(exit_status);
        }
        return exit_status;
    }
    case OPTIONS_PROFILE:
        explain(&options);
        return options.command != NULL ? launch_run(&options) : attach_run(&options);
    }
    return fflush(stdout) == 0 ? EXIT_STATUS_OK : EXIT_STATUS_WRITE;
}
