#include "cli/report.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/profile.h"
#include "cli/report_page.h"
#include "cli/tally.h"
#include "common/display.h"
#include "common/guard.h"

enum { FUNCTIONS_DEFAULT = 20 };

static const char usage[] =
    "Usage: echion report [-n COUNT] FILE\n"
    "\n"
    "Shows where the time of a profile went, function by function. FILE is an .austin or\n"
    "a .mojo file, from echion or from Austin; - is standard input.\n"
    "\n"
    "  -n COUNT    show so many functions, those with the most self time (default 20)\n"
    "  -h, --help  show this help\n"
    "\n"
    "self: the time while the function itself ran. total: that of what it called included.\n";

struct report_options {
    const char *file;
    uint32_t count;
    bool help;
};

static int wrong_usage(const char *what, const char *which) {
    (void)fprintf(stderr, "echion report: %s%s\nTry 'echion report --help'.\n", what, which);
    return EX_USAGE;
}

/* 0, or the exit status after an explanation. */
static int parse_options(int argc, char **argv, struct report_options *options) {
    static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {0}};
    int option;
    *options = (struct report_options){.count = FUNCTIONS_DEFAULT};
    optind = 0; /* begins anew: the command line before this command has been parsed already */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":n:h", long_options, NULL)) != -1) {
        char *end;
        unsigned long count;
        switch (option) {
        case 'n':
            errno = 0;
            count = strtoul(optarg, &end, 10);
            if (*optarg < '0' || *optarg > '9' || *end != '\0' || errno != 0 || count == 0 ||
                count > UINT32_MAX) {
                return wrong_usage("-n wants a number from 1 on, not ", optarg);
            }
            options->count = (uint32_t)count;
            break;
        case 'h':
            options->help = true;
            return 0;
        case ':':
            return wrong_usage("an option lacks its value: ", argv[optind - 1]);
        default:
            return wrong_usage("unknown option: ", argv[optind - 1]);
        }
    }
    if (optind == argc) {
        return wrong_usage("which FILE?", "");
    }
    if (optind + 1 < argc) {
        return wrong_usage("one FILE at a time; there is also ", argv[optind + 1]);
    }
    options->file = argv[optind];
    return 0;
}

static int complain(const char *file, const char *what, const char *reason, int exit_status) {
    GUARD_FREE char *name = display_clean(file, strlen(file));
    (void)fprintf(stderr, "echion report: %s: %s%s\n", name == NULL ? "?" : name, what, reason);
    return exit_status;
}

static int exit_status_of_errno(int errnum) {
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
        return EX_NOINPUT;
    case EACCES:
    case EPERM:
        return EX_NOPERM;
    default:
        return EX_IOERR;
    }
}

static int exit_status_of(enum status status) {
    switch (status) {
    case STATUS_OK:
        return EX_OK;
    case STATUS_CORRUPT:
    case STATUS_UNSUPPORTED:
        return EX_DATAERR;
    case STATUS_NOMEM:
        return EX_OSERR;
    default:
        return EX_IOERR;
    }
}

/* Opens the file and reads it into `tally`; 0, or the exit status after an explanation. */
static int read_profile(const char *file, struct tally *tally, struct profile_facts *facts) {
    bool is_stdin = strcmp(file, "-") == 0;
    GUARD_FD int fd = is_stdin ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        int errnum = errno;
        return complain(file, "cannot be opened: ", strerror(errnum), exit_status_of_errno(errnum));
    }
    if (S_ISDIR(info.st_mode)) {
        return complain(file, "not a profile: it is a folder", "", EX_DATAERR);
    }
    struct profile_input input;
    if (profile_input_open(&input, fd) != STATUS_OK) {
        return complain(file, "out of memory", "", EX_OSERR);
    }
    struct profile_taker taker = tally_taker(tally);
    struct error error = {.text = ""};
    enum status status = profile_read(&input, tally->names, &taker, facts, &error);
    profile_input_close(&input);
    return status == STATUS_OK ? 0 : complain(file, error.text, "", exit_status_of(status));
}

/* Columns of the terminal that is printed to, 0 if it is none. */
static unsigned terminal_width(void) {
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) {
        return 0;
    }
    return size.ws_col;
}

int report_main(int argc, char **argv) {
    struct report_options options;
    int exit_status = parse_options(argc, argv, &options);
    if (exit_status != 0) {
        return exit_status;
    }
    if (options.help) {
        return fputs(usage, stdout) < 0 || fflush(stdout) != 0 ? EX_IOERR : 0;
    }
    struct tally tally;
    struct profile_facts facts = {.cut = false};
    if (tally_init(&tally) != STATUS_OK) {
        return complain(options.file, "out of memory", "", EX_OSERR);
    }
    exit_status = read_profile(options.file, &tally, &facts);
    if (exit_status == 0) {
        struct report_page page = {.file = options.file,
                                   .tally = &tally,
                                   .facts = &facts,
                                   .count = options.count,
                                   .width = terminal_width()};
        exit_status = exit_status_of(report_page_print(&page, stdout));
        if (exit_status != 0) {
            (void)complain(options.file, "the report cannot be printed: ", strerror(errno),
                           exit_status);
        }
    }
    tally_deinit(&tally);
    return exit_status;
}
