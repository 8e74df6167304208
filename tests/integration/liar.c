/* liar: a process that has a CPython and lies about it. Says "ready" when it has begun.
 *
 *     liar random LIBPYTHON SEED     _PyRuntime holds random bytes
 *     liar cookie LIBPYTHON SEED     the same, but for the first 64 bytes, which are left as they
 * are liar self LIBPYTHON            every word of _PyRuntime points to a page full of such words
 *     liar scribble LIBPYTHON SEED   a real interpreter at rest, whose thread state, and what can
 * be reached from it, are overwritten here and there, and put right again liar vanish LIBPYTHON a
 * real interpreter at rest; on SIGUSR1 the page that holds its thread state is served by a
 * userfaultfd that nobody answers liar unserved LIBPYTHON        the page that holds _PyRuntime is
 * so from the start liar map FILE                  maps FILE as a library; nothing else
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
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

enum { PAGE = 4096, DEPTH_MAX = 8, LOOK = 512, HELD_MAX = 32, KEPT_HEAD = 64 };

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

static void *find(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        (void)fprintf(stderr, "liar: no %s: %s\n", name, dlerror());
        exit(99);
    }
    return found;
}

/* The runtime's bytes, by the size that its symbol has. */
static uint64_t *find_runtime(void *library, size_t *words) {
    void *runtime = find(library, "_PyRuntime");
    Dl_info info;
    void *symbol = NULL;
    if (dladdr1(runtime, &info, &symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL) {
        fail("dladdr1");
    }
    *words = ((const ElfW(Sym) *)symbol)->st_size / sizeof(uint64_t);
    return runtime;
}

static void lie_random(void *library, size_t kept) {
    size_t words = 0;
    uint64_t *runtime = find_runtime(library, &words);
    for (size_t i = kept / sizeof(uint64_t); i < words; i++) {
        runtime[i] = next_random() >> (next_random() % 64);
    }
    ready();
    rest();
}

static void lie_self(void *library) {
    size_t words = 0;
    uint64_t *runtime = find_runtime(library, &words);
    uint64_t *page =
        mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        fail("mmap");
    }
    for (size_t i = 0; i < 16 * PAGE / sizeof *page; i++) {
        page[i] = (uint64_t)(uintptr_t)page;
    }
    for (size_t i = KEPT_HEAD / sizeof(uint64_t); i < words; i++) {
        runtime[i] = (uint64_t)(uintptr_t)page;
    }
    ready();
    rest();
}

/* Our own memory through the kernel, which answers EFAULT where there is none. */
static int peek(uint64_t address, void *out, size_t size) {
    struct iovec local = {.iov_base = out, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static int poke(uint64_t address, uint64_t value) {
    struct iovec local = {.iov_base = &value, .iov_len = sizeof value};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = sizeof value};
    return process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)sizeof value;
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
static uint64_t wander(uint64_t state) {
    uint64_t words[LOOK / sizeof(uint64_t)];
    uint64_t at = state;
    for (uint64_t depth = next_random() % DEPTH_MAX; depth > 0; depth--) {
        if (!peek(at, words, sizeof words)) {
            break;
        }
        uint64_t next = words[next_random() % (sizeof words / sizeof words[0])];
        uint64_t probe;
        if (next % 8 != 0 || !peek(next, &probe, sizeof probe)) {
            continue;
        }
        at = next;
    }
    return at + 8 * (next_random() % (LOOK / sizeof(uint64_t)));
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

static void *scribble(void *argument) {
    wait_for_rest();
    uint64_t state = (uint64_t)(uintptr_t)argument;
    uint64_t addresses[HELD_MAX], truths[HELD_MAX];
    for (;;) {
        size_t held = 0;
        for (uint64_t count = 1 + next_random() % HELD_MAX; held < count;) {
            uint64_t address = wander(state);
            if (!peek(address, &truths[held], sizeof truths[held]) ||
                !poke(address, lie(address, truths[held], state))) {
                continue;
            }
            addresses[held++] = address;
        }
        (void)usleep((useconds_t)(next_random() % 3000));
        while (held > 0) { /* newest first: a word may have been overwritten twice */
            held--;
            (void)poke(addresses[held], truths[held]);
        }
        (void)usleep((useconds_t)(next_random() % 3000));
    }
    return NULL;
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

/* Starts an interpreter, and another thread that runs `work`; then rests below a few Python frames.
 */
static void live(void *library, void *(*work)(void *)) {
    void (*initialize)(int) = (void (*)(int))find(library, "Py_InitializeEx");
    void *(*state)(void) = (void *(*)(void))find(library, "PyThreadState_Get");
    int (*run)(const char *) = (int (*)(const char *))find(library, "PyRun_SimpleString");
    sigset_t set;
    pthread_t thread;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    initialize(0);
    if (pthread_create(&thread, NULL, work, state()) != 0) {
        fail("pthread_create");
    }
    /* The interpreter never runs again: PyDLL keeps the GIL, and pause returns for no signal. */
    (void)run("import ctypes\n"
              "pause = ctypes.PyDLL(None).pause\n"
              "def inner(n, *rest, **more):\n"
              "    return pause() if n == 0 else inner(n - 1, *rest, **more)\n"
              "class Outer:\n"
              "    def method(self):\n"
              "        return [inner(20, 1, 2, a=3) for _ in range(3)]\n"
              "Outer().method()\n");
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

int main(int argc, char **argv) {
    if (argc < 3) {
        (void)fprintf(stderr, "usage: liar MODE FILE [SEED]\n");
        return 98;
    }
    const char *mode = argv[1];
    if (strcmp(mode, "map") == 0) {
        map_file(argv[2]);
    }
    void *library = dlopen(argv[2], RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        (void)fprintf(stderr, "liar: %s\n", dlerror());
        return 97;
    }
    seed = argc > 3 ? strtoull(argv[3], NULL, 10) * UINT64_C(0x9E3779B97F4A7C15) + 1 : 1;
    if (strcmp(mode, "random") == 0) {
        lie_random(library, 0);
    } else if (strcmp(mode, "cookie") == 0) {
        lie_random(library, KEPT_HEAD);
    } else if (strcmp(mode, "self") == 0) {
        lie_self(library);
    } else if (strcmp(mode, "scribble") == 0) {
        live(library, scribble);
    } else if (strcmp(mode, "vanish") == 0) {
        live(library, vanish);
    } else if (strcmp(mode, "unserved") == 0) {
        size_t words = 0;
        unserve((uint64_t)(uintptr_t)find_runtime(library, &words));
        ready();
        rest();
    }
    (void)fprintf(stderr, "liar: no mode '%s'\n", mode);
    return 98;
}
