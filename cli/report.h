/* report: `echion report FILE`: self and total time per function of a profile. Cold; one thread. */
#ifndef ECHION_CLI_REPORT_H
#define ECHION_CLI_REPORT_H

/* Runs the command; `argv[0]` is its name, and its arguments follow. Prints to stdout, failures to
 * stderr; the exit status: 0, 64 usage, 65 not a profile, 66 no such file, 71 out of memory, 74
 * reading or printing failed, 77 not permitted. */
int report_main(int argc, char **argv);

#endif
