/* inject_run PID LIBRARY [MS [CYCLES]]: asks the Python in a process to load a library by
 * daemon/inject, waits at most MS milliseconds (default 5000), and withdraws the request if nobody
 * has taken it by then; CYCLES times (default 1, at most 256). Prints "taken MICROSECONDS" or
 * "withdrawn" for each. Exit status: 0 taken, 3 withdrawn at least once, 4 UNSUPPORTED, 5 another
 * failure; why goes to standard error.
 *
 * inject_run --script: prints the script that loads /library, and the depth of the stack by which
 * profiles know it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/guard.h"
#include "common/own_code.h"
#include "daemon/inject/request.h"
#include "daemon/inject/script.h"

enum {
    EXIT_WITHDRAWN = 3,
    EXIT_UNSUPPORTED = 4,
    EXIT_FAILED = 5,
    POLL_US = 1000,
    CYCLES_MAX = 256,
    LIBRARY_MAX = 1 << 20
};

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
    return status == STATUS_UNSUPPORTED ? EXIT_UNSUPPORTED : EXIT_FAILED;
}

/* One request; what is left of it afterwards is in `out`. */
static int request_run(const struct process *process, const struct runtime *runtime,
                       const struct loading_library *library, uint64_t wait_us,
                       struct request *out) {
    struct error error = {.text = ""};
    uint64_t start = now_us();
    enum status status = request_arm(process, runtime, library, out, &error);
    if (status != STATUS_OK) {
        return failed(status, &error);
    }
    bool taken = false;
    while (status == STATUS_OK && !taken && now_us() - start < wait_us) {
        status = request_look(out, &taken);
        if (status == STATUS_OK && !taken) {
            pause_us(POLL_US);
        }
    }
    uint64_t end = now_us();
    if (status == STATUS_OK && !taken) {
        status = request_withdraw(out);
    }
    if (status != STATUS_OK) {
        return failed(status, &error);
    }
    (void)printf(taken ? "taken %llu\n" : "withdrawn %llu\n", (unsigned long long)(end - start));
    (void)fflush(stdout);
    return taken ? EXIT_SUCCESS : EXIT_WITHDRAWN;
}

/* All cycles; their files are removed together, when each has lingered. */
static int requests_run(const struct process *process, const struct runtime *runtime,
                        const struct loading_library *library, uint64_t wait_us, unsigned cycles) {
    static struct request debugs[CYCLES_MAX];
    int worst = EXIT_SUCCESS;
    unsigned done = 0;
    while (done < cycles && worst < EXIT_UNSUPPORTED) {
        debugs[done] = REQUEST_NONE;
        int result = request_run(process, runtime, library, wait_us, &debugs[done]);
        worst = result > worst ? result : worst;
        ++done;
    }
    pause_us((uint64_t)REQUEST_TAKEN_MS * 1000U);
    for (unsigned i = 0; i < done; ++i) {
        request_deinit(&debugs[i]);
    }
    request_sweep(process, runtime);
    return worst;
}

/* Takes it into memory that stays. */
static struct loading_library library_read(const char *path) {
    static char bytes[LIBRARY_MAX];
    GUARD_FILE FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(EXIT_FAILED);
    }
    return (struct loading_library){
        .bytes = bytes, .size = fread(bytes, 1, LIBRARY_MAX, file), .name = "marker"};
}

static int script_print(void) {
    struct script script;
    struct error error = {.text = ""};
    enum status status = script_make("/library", "lib", 1, &script, &error);
    if (status != STATUS_OK) {
        return failed(status, &error);
    }
    (void)printf("%s# %d\n", script.text, (int)OWN_CODE_STACK);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--script") == 0) {
        return script_print();
    }
    if (argc < 3) {
        (void)fprintf(stderr, "usage: inject_run PID LIBRARY [MS [CYCLES]]\n");
        return 2;
    }
    uint64_t wait_us = argc > 3 ? strtoull(argv[3], NULL, 10) * 1000U : 5000000U;
    unsigned long cycles = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
    cycles = cycles > CYCLES_MAX ? CYCLES_MAX : cycles;
    struct error error = {.text = ""};
    struct process process = PROCESS_NONE;
    struct runtime runtime;
    const struct loading_library library = library_read(argv[2]);
    enum status status = process_open((pid_t)strtol(argv[1], NULL, 10), &process, &error);
    if (status == STATUS_OK) {
        status = runtime_locate(&process, &runtime, &error);
    }
    if (status == STATUS_OK) {
        status = runtime_check(&process, &runtime, &error);
    }
    int result = status == STATUS_OK
                     ? requests_run(&process, &runtime, &library, wait_us, (unsigned)cycles)
                     : failed(status, &error);
    process_close(&process);
    return result;
}
