#include "daemon/service/notice.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NOTICE_MAX = 2048 };

/* Back to the first column, and clear to the end of the line: ECMA-48 EL. */
#define WIPE "\r\033[K"

static struct {
    pthread_mutex_t lock;
    const char *program;
    bool verbose;
    bool progress_shown;
} notice = {.lock = PTHREAD_MUTEX_INITIALIZER, .program = "echiond"};

void notice_init(const char *program, bool verbose) {
    notice.program = program;
    notice.verbose = verbose;
}

/* C0 controls and DEL become '?', and so do the C1 controls (U+0080 to U+009F: C2 80 to C2 9F). */
static void clean(char *text) {
    for (unsigned char *at = (unsigned char *)text; *at != '\0'; at++) {
        if (*at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)) {
            *at = '?';
        }
    }
}

static void write_all(const char *text, size_t length) {
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, text, length);
        if (written <= 0) {
            return; /* nobody to tell */
        }
        text += written;
        length -= (size_t)written;
    }
}

static void emit(bool progress, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void emit(bool progress, const char *format, va_list args) {
    char body[NOTICE_MAX];
    char line[NOTICE_MAX + 128];
    (void)vsnprintf(body, sizeof body, format, args);
    clean(body);
    (void)pthread_mutex_lock(&notice.lock);
    bool wipe = progress || notice.progress_shown;
    int length = snprintf(line, sizeof line, "%s%.64s: %s%s", wipe ? WIPE : "", notice.program,
                          body, progress ? "" : "\n");
    notice.progress_shown = progress;
    write_all(line, (size_t)length);
    (void)pthread_mutex_unlock(&notice.lock);
}

void notice_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    emit(false, format, args);
    va_end(args);
}

void notice_explain(const char *format, ...) {
    if (notice.verbose) {
        va_list args;
        va_start(args, format);
        emit(false, format, args);
        va_end(args);
    }
}

void notice_progress(const char *format, ...) {
    va_list args;
    va_start(args, format);
    emit(true, format, args);
    va_end(args);
}

void notice_progress_end(void) {
    (void)pthread_mutex_lock(&notice.lock);
    if (notice.progress_shown) {
        notice.progress_shown = false;
        write_all(WIPE, strlen(WIPE));
    }
    (void)pthread_mutex_unlock(&notice.lock);
}
