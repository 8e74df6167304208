/* notice: the lines that echiond writes to standard error for the person who started it.
 *
 * One per process, set up by main before any other thread starts; the functions may then be called
 * from any thread, and each line goes out in one write. Control characters are made visible: parts
 * of a line may come from a hostile target. Cold. */
#ifndef ECHION_DAEMON_SERVICE_NOTICE_H
#define ECHION_DAEMON_SERVICE_NOTICE_H

#include <stdbool.h>

/* `program` opens each line and must stay valid; with `verbose`, notice_explain says something. */
void notice_init(const char *program, bool verbose);

/* A line that is always written: trouble, results. */
void notice_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line for -v: what was found, and which decision was taken. */
void notice_explain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The progress line: takes the place of the one before, and stays the terminal's last line. */
void notice_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Wipes the progress line, if there is one. */
void notice_progress_end(void);

#endif
