/* liar: makes the memory of a Python lie. Run by test_hostile.py.
 *
 * Of another process, whose interpreter is at rest for good, by process_vm_writev:
 *
 *     liar random PID RUNTIME SEED         _PyRuntime, and what follows it, become random bytes
 *     liar cookie PID RUNTIME SEED         the same, but for the first 64 bytes, which stay
 *     liar self PID RUNTIME WORD           its words, but for the first 64 bytes, all point to the
 * same one liar scribble PID STATE WORD SEED    its thread state, and what can be reached from it,
 * is overwritten here and there, and put right again, until liar is killed
 *
 * Of itself; these say "ready" when they have begun, and go on until they are killed:
 *
 *     liar vanish LIBPYTHON     runs an interpreter that is at rest; on SIGUSR1 the page that holds
 * its thread state is served by a userfaultfd that nobody answers liar unserved LIBPYTHON   the
 * page that holds _PyRuntime is so from the start liar map FILE             maps FILE as a library;
 * nothing else
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, DEPTH_MAX = 8, LOOK = 512, HELD_MAX = 32, KEPT_HEAD = 64, RUNTIME = 1 << 18 };

static uint64_t seed = 1;

/* xorshift64: Marsaglia, "Xorshift RNGs". */
static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

_Noreturn static void fail(const char *what) {
    (void)fprintf(stderr, "liar: %s: %s\n", what, strerror(errno));
    exit(99);
}

static void ready(void) {
    (void)puts("ready");
    (void)fflush(stdout);
}

_Noreturn static void rest(void) {
    for (;;) {
        (void)pause();
    }
}

/* Another process. */

struct victim {
    pid_t pid;
    size_t word; /* bytes in a pointer: 4 or 8 */
};

static int peek(const struct victim *victim, uint64_t address, void *out, size_t size) {
    struct iovec local = {.iov_base = out, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    return process_vm_readv(victim->pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static int poke(const struct victim *victim, uint64_t address, const void *bytes, size_t size) {
    struct iovec local = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    return process_vm_writev(victim->pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static int peek_word(const struct victim *victim, uint64_t address, uint64_t *out) {
    *out = 0; /* both are little-endian */
    return peek(victim, address, out, victim->word);
}

static int poke_word(const struct victim *victim, uint64_t address, uint64_t value) {
    return poke(victim, address, &value, victim->word);
}

/* Overwrites from the runtime on, as far as its memory goes. */
static void lie_random(const struct victim *victim, uint64_t runtime, uint64_t kept) {
    for (uint64_t at = kept; at < RUNTIME; at += sizeof(uint64_t)) {
        uint64_t value = next_random() >> (next_random() % 64);
        if (!poke(victim, runtime + at, &value, sizeof value)) {
            return;
        }
    }
}

static void lie_self(const struct victim *victim, uint64_t runtime) {
    for (uint64_t at = KEPT_HEAD; at < RUNTIME; at += victim->word) {
        if (!poke_word(victim, runtime + at, runtime + KEPT_HEAD)) {
            return;
        }
    }
}

static uint64_t lie(uint64_t address, uint64_t truth, uint64_t state) {
    switch (next_random() % 8) {
    case 0:
        return next_random();
    case 1:
        return INT64_MAX;
    case 2:
        return UINT64_MAX;
    case 3:
        return address; /* itself */
    case 4:
        return state;
    case 5:
        return 0;
    case 6:
        return truth ^ (UINT64_C(1) << (next_random() % 64));
    default:
        return truth + 8 * (next_random() % 64);
    }
}

/* A word some pointers away from the thread state. */
static uint64_t wander(const struct victim *victim, uint64_t state) {
    uint64_t at = state;
    for (uint64_t depth = next_random() % DEPTH_MAX; depth > 0; depth--) {
        uint64_t next, probe;
        if (peek_word(victim, at + victim->word * (next_random() % (LOOK / victim->word)), &next) &&
            next % 4 == 0 && peek_word(victim, next, &probe)) {
            at = next;
        }
    }
    return at + victim->word * (next_random() % (LOOK / victim->word));
}

_Noreturn static void scribble(const struct victim *victim, uint64_t state) {
    uint64_t addresses[HELD_MAX], truths[HELD_MAX];
    for (;;) {
        size_t held = 0;
        for (uint64_t count = 1 + next_random() % HELD_MAX; held < count;) {
            uint64_t probe;
            if (!peek_word(victim, state, &probe)) {
                exit(0); /* it has ended */
            }
            uint64_t address = wander(victim, state);
            if (peek_word(victim, address, &truths[held]) &&
                poke_word(victim, address, lie(address, truths[held], state))) {
                addresses[held++] = address;
            }
        }
        (void)usleep((useconds_t)(next_random() % 3000));
        while (held > 0) { /* newest first: a word may have been overwritten twice */
            held--;
            (void)poke_word(victim, addresses[held], truths[held]);
        }
        (void)usleep((useconds_t)(next_random() % 3000));
    }
}

/* This process. */

static void *find(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        (void)fprintf(stderr, "liar: no %s: %s\n", name, dlerror());
        exit(99);
    }
    return found;
}

/* Makes reads of a page block for good. */
static void unserve(uint64_t address) {
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    struct uffdio_api api = {.api = UFFD_API};
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) != 0) {
        fail("userfaultfd");
    }
    void *page = (void *)(uintptr_t)(address & ~(uint64_t)(PAGE - 1));
    if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        MAP_FAILED) {
        fail("mmap");
    }
    struct uffdio_register range = {
        .range = {.start = (uint64_t)(uintptr_t)page, .len = PAGE},
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    if (ioctl(fd, UFFDIO_REGISTER, &range) != 0) {
        fail("UFFDIO_REGISTER");
    }
    (void)madvise(page, PAGE, MADV_DONTNEED); /* a read in between has filled it */
}

/* Waits until the interpreter's thread is in pause. */
static void wait_for_rest(void) {
    for (;;) {
        char path[64];
        int number = -1;
        (void)snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)getpid());
        FILE *file = fopen(path, "re");
        int got = file != NULL && fscanf(file, "%d", &number) == 1;
        if (file != NULL) {
            (void)fclose(file);
        }
        if (got && number == SYS_pause) {
            ready();
            return;
        }
        (void)usleep(1000);
    }
}

static void *vanish(void *argument) {
    sigset_t set;
    int number = 0;
    wait_for_rest();
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigwait(&set, &number);
    unserve((uint64_t)(uintptr_t)argument);
    rest();
}

static void lie_vanish(void *library) {
    void (*initialize)(int) = (void (*)(int))find(library, "Py_InitializeEx");
    void *(*state)(void) = (void *(*)(void))find(library, "PyThreadState_Get");
    int (*run)(const char *) = (int (*)(const char *))find(library, "PyRun_SimpleString");
    sigset_t set;
    pthread_t thread;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    initialize(0);
    if (pthread_create(&thread, NULL, vanish, state()) != 0) {
        fail("pthread_create");
    }
    /* The interpreter never runs again: PyDLL keeps the GIL, and pause returns for no signal. */
    (void)run("import ctypes\n"
              "def inner():\n"
              "    ctypes.PyDLL(None).pause()\n"
              "inner()\n");
    fail("the interpreter went on");
}

static void map_file(const char *path) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        fail(path);
    }
    size_t size = ((size_t)info.st_size + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (size > 0 && (mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ||
                     mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED)) {
        fail("mmap");
    }
    (void)close(fd);
    ready();
    rest();
}

static void *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        (void)fprintf(stderr, "liar: %s\n", dlerror());
        exit(97);
    }
    return library;
}

int main(int argc, char **argv) {
    const char *mode = argc >= 3 ? argv[1] : "";
    uint64_t numbers[4] = {0};
    for (int i = 2; i < argc && i < 6; i++) {
        numbers[i - 2] = strtoull(argv[i], NULL, 0);
    }
    struct victim victim = {.pid = (pid_t)numbers[0], .word = sizeof(uint64_t)};
    if (strcmp(mode, "random") == 0 || strcmp(mode, "cookie") == 0) {
        seed = numbers[2] * UINT64_C(0x9E3779B97F4A7C15) + 1;
        lie_random(&victim, numbers[1], strcmp(mode, "random") == 0 ? 0 : KEPT_HEAD);
    } else if (strcmp(mode, "self") == 0) {
        victim.word = numbers[2];
        lie_self(&victim, numbers[1]);
    } else if (strcmp(mode, "scribble") == 0) {
        victim.word = numbers[2];
        seed = numbers[3] * UINT64_C(0x9E3779B97F4A7C15) + 1;
        scribble(&victim, numbers[1]);
    } else if (strcmp(mode, "vanish") == 0) {
        lie_vanish(load(argv[2]));
    } else if (strcmp(mode, "unserved") == 0) {
        unserve((uint64_t)(uintptr_t)find(load(argv[2]), "_PyRuntime"));
        ready();
        rest();
    } else if (strcmp(mode, "map") == 0) {
        map_file(argv[2]);
    } else {
        (void)fprintf(stderr, "liar: no mode '%s': see liar.c\n", mode);
        return 98;
    }
    return 0;
}
