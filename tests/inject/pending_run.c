/* pending_run PID LIBRARY LAYOUT [MS [CYCLES]]: asks the Python in a process to load a library by
 * pending_call, waits at most MS milliseconds (default 5000), and withdraws the request if nobody
 * has taken it by then; CYCLES times (default 1). LAYOUT are the fields of struct pending_layout in
 * their order, with commas in between. Prints for each "taken" or "withdrawn", the microseconds
 * until then, the nanoseconds that the threads stood still, and the address of the queue. Exit
 * status: 0 taken, 3 withdrawn at least once, 4 UNSUPPORTED, 6 TORN, 5 another failure; why goes to
 * standard error.
 *
 * pending_run --row MINOR WORD_SIZE: prints the row of eval_layout, as pending_headers.c does. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/inject/pending_call.h"

enum { EXIT_WITHDRAWN = 3, EXIT_UNSUPPORTED = 4, EXIT_FAILED = 5, EXIT_TORN = 6, POLL_US = 1000 };

enum { LAYOUT_FIELDS = 14 };

static uint64_t now_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

static void pause_us(uint64_t us) {
    struct timespec pause = {.tv_sec = (time_t)(us / 1000000U),
                             .tv_nsec = (long)(us % 1000000U) * 1000};
    (void)nanosleep(&pause, NULL);
}

static int failed(enum status status, const struct error *error) {
    (void)fprintf(stderr, "%s: %s\n", status_name(status), error->text);
    return status == STATUS_UNSUPPORTED ? EXIT_UNSUPPORTED
           : status == STATUS_TORN      ? EXIT_TORN
                                        : EXIT_FAILED;
}

static bool layout_parse(char *text, struct pending_layout *out) {
    uint32_t fields[LAYOUT_FIELDS];
    size_t count = 0;
    char *rest = NULL;
    for (char *field = strtok_r(text, ",", &rest); field != NULL;
         field = strtok_r(NULL, ",", &rest)) {
        if (count == LAYOUT_FIELDS) {
            return false;
        }
        fields[count++] = (uint32_t)strtoul(field, NULL, 10);
    }
    if (count != LAYOUT_FIELDS) {
        return false;
    }
    *out = (struct pending_layout){.in_interpreter = fields[0] != 0,
                                   .queue = fields[1],
                                   .lock = fields[2],
                                   .lock_is_mutex_byte = fields[3] != 0,
                                   .count = fields[4],
                                   .counts_all = fields[5] != 0,
                                   .calls = fields[6],
                                   .slot_size = fields[7],
                                   .slots = fields[8],
                                   .first = fields[9],
                                   .next = fields[10],
                                   .finishing = fields[11],
                                   .breaker_in_thread = fields[12] != 0,
                                   .breaker = fields[13]};
    out->breaker_mask = out->breaker_in_thread ? 1 << 2 : 1;
    return true;
}

static int request_run(const struct process *process, const struct runtime *runtime,
                       const struct pending_layout *layout, const char *library, uint64_t wait_us) {
    struct error error = {.text = ""};
    struct pending_call call = PENDING_CALL_NONE;
    uint64_t start = now_us();
    enum status status = pending_call_arm(process, runtime, layout, library, &call, &error);
    if (status != STATUS_OK) {
        return failed(status, &error);
    }
    bool taken = false;
    while (status == STATUS_OK && !taken) {
        status = pending_call_look(&call, &taken);
        if (now_us() - start >= wait_us) {
            break;
        }
        if (status == STATUS_OK && !taken) {
            pause_us(POLL_US);
        }
    }
    uint64_t end = now_us();
    if (status == STATUS_OK && !taken) {
        status = pending_call_withdraw(&call);
    }
    unsigned long long stopped = call.stop.stopped_ns;
    struct raddr queue = raddr_add(call.base, layout->queue);
    pending_call_deinit(&call);
    if (status != STATUS_OK) {
        return failed(status, &error);
    }
    (void)printf("%s %llu %llu " PRIRADDR "\n", taken ? "taken" : "withdrawn",
                 (unsigned long long)(end - start), stopped, RADDR_ARG(queue));
    (void)fflush(stdout);
    return taken ? EXIT_SUCCESS : EXIT_WITHDRAWN;
}

static int row_print(const char *minor, const char *word_size) {
    const struct eval_layout *row = eval_layout_find((unsigned)strtoul(minor, NULL, 10),
                                                     (unsigned)strtoul(word_size, NULL, 10));
    if (row == NULL) {
        return EXIT_FAILED;
    }
    (void)printf(
        "gil_in_runtime=%d\ngil_from_queue=%d\ngil_is_pointer=%d\nlimit_from_queue=%d\n"
        "depth=%u\nremaining=%u\nc_remaining=%u\ntracing=%u\nprofile_func=%u\nuse_tracing=%u\n"
        "use_tracing_pointed=%d\n",
        row->gil_in_runtime, row->gil_from_queue, row->gil_is_pointer, row->limit_from_queue,
        row->depth, row->remaining, row->c_remaining, row->tracing, row->profile_func,
        row->use_tracing, row->use_tracing_pointed);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    struct pending_layout layout;
    if (argc == 4 && strcmp(argv[1], "--row") == 0) {
        return row_print(argv[2], argv[3]);
    }
    if (argc < 4 || !layout_parse(argv[3], &layout)) {
        (void)fprintf(stderr, "usage: pending_run PID LIBRARY LAYOUT [MS [CYCLES]]\n");
        return 2;
    }
    uint64_t wait_us = argc > 4 ? strtoull(argv[4], NULL, 10) * 1000U : 5000000U;
    unsigned long cycles = argc > 5 ? strtoul(argv[5], NULL, 10) : 1;
    struct error error = {.text = ""};
    struct process process = PROCESS_NONE;
    struct runtime runtime;
    enum status status = process_open((pid_t)strtol(argv[1], NULL, 10), &process, &error);
    if (status == STATUS_OK) {
        status = runtime_locate(&process, &runtime, &error);
    }
    if (status == STATUS_OK) {
        status = runtime_check(&process, &runtime, &error);
    }
    int worst = status == STATUS_OK ? EXIT_SUCCESS : failed(status, &error);
    unsigned long torn = 0;
    for (unsigned long i = 0; i < cycles && worst < EXIT_UNSUPPORTED; ++i) {
        int result = request_run(&process, &runtime, &layout, argv[2], wait_us);
        if (result == EXIT_TORN) {
            ++torn;
        } else {
            worst = result > worst ? result : worst;
        }
    }
    process_close(&process);
    return torn == cycles ? EXIT_TORN : worst;
}
