#include "daemon/python/runtime.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conversation.h"
#include "daemon/python/debug_offsets.h"
#include "daemon/python/version.h"
#include "daemon/target/elf_image.h"
#include "daemon/target/mappings.h"

/* A Python that has told its version and sleeps. */
struct sleeper {
    struct process process;
    uint32_t version; /* sys.hexversion */
    int memory;       /* /proc/PID/mem, to bend what is in it */
};

static pid_t start(const char *const *arguments, int out) {
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(out, STDOUT_FILENO);
        (void)execv(arguments[0], (char **)(uintptr_t)arguments);
        _exit(127);
    }
    return pid;
}

static struct process open_process(pid_t pid) {
    struct process process = PROCESS_NONE;
    struct error error = {.text = ""};
    enum status status = STATUS_TORN;
    for (unsigned i = 0; i < 1000 && status == STATUS_TORN; ++i) {
        status = process_open(pid, &process, &error);
    }
    cr_assert_eq(status, STATUS_OK, "%s", error.text);
    return process;
}

static struct sleeper sleeper_start(const char *python) {
    static const char script[] =
        "import sys, time; print(sys.hexversion, flush=True); time.sleep(1000)";
    const char *const arguments[] = {python, "-E", "-S", "-c", script, NULL};
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = start(arguments, ends[1]);
    (void)close(ends[1]);
    FILE *told = fdopen(ends[0], "r");
    struct sleeper sleeper = {.version = 0};
    char line[64] = "";
    cr_assert_not_null(fgets(line, sizeof line, told), "%s does not run", python);
    sleeper.version = (uint32_t)strtoul(line, NULL, 10);
    (void)fclose(told);
    sleeper.process = open_process(pid);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/mem", pid);
    sleeper.memory = open(path, O_RDWR | O_CLOEXEC);
    return sleeper;
}

static void sleeper_end(struct sleeper *sleeper) {
    (void)kill(sleeper->process.pid, SIGKILL);
    (void)waitpid(sleeper->process.pid, NULL, 0);
    process_close(&sleeper->process);
    (void)close(sleeper->memory);
}

static void poke(const struct sleeper *sleeper, struct raddr at, const void *bytes, size_t size) {
    cr_assert_eq(pwrite(sleeper->memory, bytes, size, (off_t)at.v), (ssize_t)size);
}

static void poke_word(const struct sleeper *sleeper, struct raddr at, uint64_t word) {
    poke(sleeper, at, &word, sleeper->process.program.word_size);
}

static struct runtime locate(const struct sleeper *sleeper) {
    struct runtime runtime;
    struct error error = {.text = ""};
    cr_assert_eq(runtime_locate(&sleeper->process, &runtime, &error), STATUS_OK, "%s", error.text);
    cr_assert_eq(runtime_check(&sleeper->process, &runtime, &error), STATUS_OK, "%s", error.text);
    return runtime;
}

static void assert_located(const struct sleeper *sleeper, const char *by) {
    struct runtime runtime = locate(sleeper);
    cr_assert_eq(runtime.version, sleeper->version, "%#x is not %#x", runtime.version,
                 sleeper->version);
    cr_assert(runtime.micro_known);
    cr_assert_eq(runtime.layout.minor, version_minor(sleeper->version));
    cr_assert_eq(runtime.layout.word_size, sleeper->process.program.word_size);
    cr_assert_not_null(strstr(runtime.found_by, by), "found by %s, not by %s", runtime.found_by,
                       by);
    cr_assert_not_null(strstr(runtime.image, "python"), "%s", runtime.image);
}

/* Does `look` to each interpreter. */
static void with_each_python(void (*look)(const char *python)) {
    for (const char *const *each = conversation_pythons(); *each != NULL; ++each) {
        look(*each);
    }
}

static void look_every_interpreter(const char *python) {
    struct sleeper sleeper = sleeper_start(python);
    assert_located(&sleeper, "symbol _PyRuntime");
    sleeper_end(&sleeper);
    struct runtime runtime;
    struct error error = {.text = ""};
    cr_assert_neq(runtime_locate(&sleeper.process, &runtime, &error), STATUS_OK);
}

Test(runtime, every_interpreter, .timeout = 60) {
    with_each_python(look_every_interpreter);
}

Test(runtime, a_stopped_process, .timeout = 60) {
    struct sleeper sleeper = sleeper_start(conversation_pythons()[0]);
    (void)kill(sleeper.process.pid, SIGSTOP);
    (void)waitpid(sleeper.process.pid, NULL, WUNTRACED);
    assert_located(&sleeper, "symbol _PyRuntime");
    sleeper_end(&sleeper);
}

static void look_quickly(const char *python) {
    struct sleeper sleeper = sleeper_start(python);
    long best_us = LONG_MAX;
    for (unsigned i = 0; i < 20; ++i) {
        struct timespec begun;
        struct timespec ended;
        (void)clock_gettime(CLOCK_MONOTONIC, &begun);
        (void)locate(&sleeper);
        (void)clock_gettime(CLOCK_MONOTONIC, &ended);
        long us = (ended.tv_sec - begun.tv_sec) * 1000000 + (ended.tv_nsec - begun.tv_nsec) / 1000;
        best_us = us < best_us ? us : best_us;
    }
    cr_assert_lt(best_us, 5000, "%s takes %ld us", python, best_us);
    sleeper_end(&sleeper);
}

Test(runtime, quickly, .timeout = 60) {
    with_each_python(look_quickly);
}

Test(runtime, not_a_python) {
    const char *const arguments[] = {"/bin/sleep", "1000", NULL};
    struct sleeper sleeper = {.memory = -1};
    sleeper.process = open_process(start(arguments, STDOUT_FILENO));
    struct runtime runtime = {.version = 77};
    struct error error = {.text = ""};
    enum status status = STATUS_TORN;
    for (unsigned i = 0; i < 1000 && (status == STATUS_TORN || i < 3); ++i) {
        status = runtime_locate(&sleeper.process, &runtime, &error);
    }
    cr_assert_eq(status, STATUS_ABSENT, "%s", error.text);
    cr_assert_not_null(strstr(error.text, "is not a Python"), "%s", error.text);
    cr_assert_eq(runtime.version, 77, "the output was touched");
    sleeper_end(&sleeper);
}

/* A copy of an interpreter that does not need the folder it comes from; false if there is none. */
static bool copy_static(char *path, size_t size) {
    int from = open("/usr/bin/python3.11", O_RDONLY | O_CLOEXEC);
    struct stat stat;
    if (from < 0 || fstat(from, &stat) != 0 || stat.st_size < 1 << 20) {
        return false;
    }
    (void)snprintf(path, size, "/tmp/echion-test-program-%d", getpid());
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    for (ssize_t copied = 1; copied > 0;) {
        copied = sendfile(to, from, NULL, (size_t)stat.st_size);
    }
    (void)close(from);
    return close(to) == 0;
}

Test(runtime, a_deleted_and_a_replaced_program, .timeout = 60) {
    char path[64];
    if (!copy_static(path, sizeof path)) {
        cr_skip_test("there is no static interpreter");
    }
    struct sleeper sleeper = sleeper_start(path);
    (void)unlink(path);
    struct runtime runtime = locate(&sleeper);
    cr_assert_eq(runtime.version, sleeper.version);
    cr_assert_not_null(strstr(runtime.image, "(deleted)"), "%s", runtime.image);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    (void)!write(fd, "\177ELF", 4);
    (void)close(fd);
    runtime = locate(&sleeper);
    cr_assert_eq(runtime.version, sleeper.version);
    (void)unlink(path);
    sleeper_end(&sleeper);
}

/* Makes the object that holds the runtime not export it any more, as if it had been linked so. */
static void hide_symbol(const struct sleeper *sleeper, struct raddr runtime) {
    struct mappings mappings = MAPPINGS_NONE;
    cr_assert_eq(mappings_read(&sleeper->process, &mappings, NULL), STATUS_OK);
    size_t position = 0;
    struct mapped_object object;
    static struct elf_image image;
    bool hidden = false;
    while (mappings_next_object(&mappings, &position, &object)) {
        if (elf_image_read(&sleeper->process, &object, &image) != STATUS_OK ||
            !elf_image_holds(&image, runtime, 1)) {
            continue;
        }
        Elf64_Sym symbol;
        for (struct raddr at = image.dynamic.symbols; at.v < image.dynamic.strings.v && !hidden;
             at = raddr_add(at, sizeof symbol)) {
            cr_assert_eq(memory_read(&image.memory, at, &symbol, sizeof symbol), STATUS_OK);
            if (symbol.st_value + image.bias == runtime.v && symbol.st_shndx != SHN_UNDEF) {
                symbol.st_shndx = SHN_UNDEF;
                poke(sleeper, at, &symbol, sizeof symbol);
                hidden = true;
            }
        }
    }
    cr_assert(hidden);
    mappings_deinit(&mappings);
}

static void look_without_an_exported_symbol(const char *python) {
    struct sleeper sleeper = sleeper_start(python);
    struct runtime before = locate(&sleeper);
    hide_symbol(&sleeper, before.address);
    assert_located(&sleeper, version_minor(sleeper.version) >= 10 ? "section .PyRuntime" : "");
    cr_assert_eq(locate(&sleeper).address.v, before.address.v);
    sleeper_end(&sleeper);
}

Test(runtime, without_an_exported_symbol, .timeout = 60) {
    with_each_python(look_without_an_exported_symbol);
}

static enum status locate_fails(const struct sleeper *sleeper, const char *because) {
    struct runtime runtime = {.version = 77};
    struct error error = {.text = ""};
    enum status status = runtime_locate(&sleeper->process, &runtime, &error);
    cr_assert_neq(status, STATUS_OK);
    cr_assert_eq(error.status, status);
    cr_assert_eq(runtime.version, 77, "the output was touched");
    char pid[32];
    (void)snprintf(pid, sizeof pid, "process %d", sleeper->process.pid);
    cr_assert_not_null(strstr(error.text, pid), "%s", error.text);
    cr_assert_not_null(strstr(error.text, because), "'%s' lacks '%s'", error.text, because);
    return status;
}

static unsigned newer_seen;

static void look_pythons_from_the_future(const char *python) {
    struct sleeper sleeper = sleeper_start(python);
    struct runtime runtime = locate(&sleeper);
    if (runtime.layout.minor >= 13) {
        ++newer_seen;
        const struct raddr version = raddr_add(runtime.address, 8);
        const uint64_t future = 0x031000f0;
        poke(&sleeper, version, &future, sizeof future);
        cr_assert_eq(locate_fails(&sleeper, "Python 3.16.0"), STATUS_UNSUPPORTED);
        const uint64_t now = sleeper.version;
        poke(&sleeper, version, &now, sizeof now);
        const uint64_t flag = 1;
        poke(&sleeper, raddr_add(runtime.address, 16), &flag, sizeof flag);
        cr_assert_eq(locate_fails(&sleeper, "free-threaded"), STATUS_UNSUPPORTED);
        const uint64_t absurd = 77;
        poke(&sleeper, raddr_add(runtime.address, 16), &absurd, sizeof absurd);
        cr_assert_eq(locate_fails(&sleeper, "cannot be sampled"), STATUS_CORRUPT);
        /* Not loaded yet: the constants say 3.13 or more, the data nothing. */
        const uint64_t nothing = 0;
        poke(&sleeper, runtime.address, &nothing, sizeof nothing);
        cr_assert_eq(locate_fails(&sleeper, "not loaded yet"), STATUS_TORN);
    }
    sleeper_end(&sleeper);
}

Test(runtime, pythons_from_the_future, .timeout = 60) {
    with_each_python(look_pythons_from_the_future);
    if (newer_seen == 0) {
        cr_skip_test("there is no Python 3.13 or newer");
    }
}

static enum status check_fails(const struct sleeper *sleeper, struct runtime *runtime) {
    struct error error = {.text = ""};
    enum status status = runtime_check(&sleeper->process, runtime, &error);
    cr_assert_neq(status, STATUS_OK);
    cr_assert_eq(error.status, status);
    char pid[32];
    (void)snprintf(pid, sizeof pid, "process %d", sleeper->process.pid);
    cr_assert_not_null(strstr(error.text, pid), "%s", error.text);
    return status;
}

static void look_interpreters_that_lie(const char *python) {
    struct sleeper sleeper = sleeper_start(python);
    struct runtime runtime = locate(&sleeper);
    const struct py_layout *layout = &runtime.layout;
    struct memory memory = process_memory(&sleeper.process);
    struct raddr head = raddr_add(runtime.address, layout->runtime.interpreters_head);
    struct raddr interpreter = RADDR_NULL;
    cr_assert_eq(memory_read_word(&memory, head, &interpreter.v), STATUS_OK);
    struct raddr threads = raddr_add(interpreter, layout->interpreter.threads_head);
    struct raddr next = raddr_add(interpreter, layout->interpreter.next);
    uint64_t thread = 0;
    cr_assert_eq(memory_read_word(&memory, threads, &thread), STATUS_OK);

    poke_word(&sleeper, head, 0);
    cr_assert_eq(check_fails(&sleeper, &runtime), STATUS_TORN);
    poke_word(&sleeper, head, 0x1234567);
    cr_assert_eq(check_fails(&sleeper, &runtime), STATUS_CORRUPT);
    poke_word(&sleeper, head, interpreter.v + 1);
    cr_assert_eq(check_fails(&sleeper, &runtime), STATUS_CORRUPT);
    poke_word(&sleeper, head, interpreter.v);

    poke_word(&sleeper, threads, 0x1234567);
    cr_assert_eq(check_fails(&sleeper, &runtime), STATUS_CORRUPT);
    /* No thread, and a list of interpreters without an end. */
    poke_word(&sleeper, threads, 0);
    poke_word(&sleeper, next, interpreter.v);
    cr_assert_eq(check_fails(&sleeper, &runtime), STATUS_TORN);
    poke_word(&sleeper, next, 0);
    poke_word(&sleeper, threads, thread);
    struct error error = {.text = ""};
    cr_assert_eq(runtime_check(&sleeper.process, &runtime, &error), STATUS_OK);

    (void)kill(sleeper.process.pid, SIGKILL);
    (void)waitpid(sleeper.process.pid, NULL, 0);
    cr_assert_eq(check_fails(&sleeper, &runtime), STATUS_GONE);
    cr_assert_eq(locate_fails(&sleeper, "has ended"), STATUS_GONE);
    sleeper_end(&sleeper);
}

Test(runtime, interpreters_that_lie, .timeout = 60) {
    with_each_python(look_interpreters_that_lie);
}

/* From the first instruction on, whatever is seen is a state of starting, and no other. */
static void look_while_it_starts(const char *python) {
    const char *const arguments[] = {python, "-E", "-S", "-c", "import time; time.sleep(1000)",
                                     NULL};
    struct sleeper sleeper = {.memory = -1};
    sleeper.process = open_process(start(arguments, STDOUT_FILENO));
    struct runtime runtime;
    struct error error = {.text = ""};
    enum status status = STATUS_TORN;
    for (unsigned i = 0; i < 20000 && status != STATUS_OK; ++i) {
        status = process_note_program(&sleeper.process, &error);
        if (status == STATUS_OK) {
            status = runtime_locate(&sleeper.process, &runtime, &error);
        }
        if (status == STATUS_OK) {
            status = runtime_check(&sleeper.process, &runtime, &error);
        }
        cr_assert(status == STATUS_OK || status == STATUS_TORN || status == STATUS_ABSENT ||
                      status == STATUS_CORRUPT,
                  "%s: %s: %s", python, status_name(status), error.text);
    }
    cr_assert_eq(status, STATUS_OK, "%s: %s", python, error.text);
    sleeper_end(&sleeper);
}

Test(runtime, while_it_starts, .timeout = 60) {
    with_each_python(look_while_it_starts);
}
