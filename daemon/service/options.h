/* options: echiond's command line, parsed. A plain value; its strings point into argv. Cold. */
#ifndef ECHION_DAEMON_SERVICE_OPTIONS_H
#define ECHION_DAEMON_SERVICE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/output/writer.h"

#define OPTIONS_DEFAULT_OUTPUT "%(pid).austin"

enum options_action {
    OPTIONS_PROFILE,
    OPTIONS_WHERE,
    OPTIONS_SHOW_HELP,
    OPTIONS_SHOW_VERSION,
};

struct options {
    enum options_action action;
    pid_t pid;          /* attach to, or look at, this process; 0: launch `command` */
    char **command;     /* NULL-terminated; NULL: attach or look */
    const char *output; /* as typed, or OPTIONS_DEFAULT_OUTPUT */
    bool format_given;  /* by --format; else the output's suffix decides */
    enum output_format format;
    uint64_t interval_ns; /* 0: as fast as it can; else whole microseconds, 1 us to 1 hour */
    uint64_t exposure_ns; /* 0: no limit; else 1 ms to 365 days */
    bool cpu;
    bool children; /* profile what the process starts and forks, too */
    bool no_shim;  /* sample purely from outside */
    bool stealth;  /* the shim leaves no trace that would name it */
    bool json;     /* --where: for programs */
    bool locals;   /* --where: with arguments and locals */
    bool quiet;
    bool verbose;
};

/* Parses the command line. What follows the first word that is no option is the command. On failure
 * the error's text says what is wrong and how to put it right, and `out` is untouched. Uses
 * getopt's globals: not to be called from two threads. */
STATUS_CHECKED enum status options_parse(int argc, char **argv, struct options *out,
                                         struct error *error);

/* `program` is the name that the user typed: echion or echiond. */
void options_print_help(const char *program, FILE *stream);
void options_print_version(const char *program, FILE *stream);

#endif
