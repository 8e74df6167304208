/* stop_run PID [TIMES]: stops all threads of a process and lets them go, TIMES times (default 1).
 * Prints for each how many nanoseconds it stood still, its threads, and how many looks it took.
 * Exit status: 0, or 3 TORN, 4 DENIED, 5 another failure; why goes to standard error. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/inject/stop.h"

enum { EXIT_TORN = 3, EXIT_DENIED = 4, EXIT_OTHER = 5, PAUSE_US = 100 };

static enum status nothing(void *context) {
    ++*(unsigned *)context;
    return STATUS_OK;
}

static int failed(enum status status, const struct error *error) {
    (void)fprintf(stderr, "%s: %s\n", status_name(status), error->text);
    return status == STATUS_TORN ? EXIT_TORN : status == STATUS_DENIED ? EXIT_DENIED : EXIT_OTHER;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        (void)fprintf(stderr, "usage: stop_run PID [TIMES]\n");
        return 2;
    }
    unsigned long times = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    struct error error = {.text = ""};
    struct process process = PROCESS_NONE;
    enum status status = process_open((pid_t)strtol(argv[1], NULL, 10), &process, &error);
    for (unsigned long i = 0; status == STATUS_OK && i < times; ++i) {
        struct stop_account account;
        unsigned ran = 0;
        status = stop_run(&process, nothing, &ran, &account, &error);
        if (status == STATUS_OK) {
            (void)printf("%llu %u %u %u\n", (unsigned long long)account.stopped_ns, account.threads,
                         account.attempts, ran);
            (void)fflush(stdout);
            (void)usleep(PAUSE_US);
        }
    }
    process_close(&process);
    return status == STATUS_OK ? EXIT_SUCCESS : failed(status, &error);
}
