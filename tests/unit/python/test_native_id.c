#include <criterion/criterion.h>
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conversation.h"
#include "daemon/python/native_id.h"

enum { TIDS_MAX = 1024 };

static size_t tasks_list(pid_t pid, pid_t *tids) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    cr_assert_not_null(dir);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL && count < TIDS_MAX;) {
        if (entry->d_name[0] != '.') {
            tids[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
        }
    }
    (void)closedir(dir);
    return count;
}

/* Calibrates with the first `use` threads that a target tells, and expects the id of each. */
static void expect_ids(struct conversation *conversation, const char *step, size_t use) {
    uint64_t pthreads[TOLD_MAX];
    pid_t tids[TIDS_MAX];
    uint32_t offset = 0;
    conversation_ask(conversation, step);
    size_t tid_count = tasks_list(conversation->pid, tids);
    for (unsigned i = 0; i < conversation->told_count; i++) {
        pthreads[i] = conversation->told[i].ident;
    }
    use = use < conversation->told_count ? use : conversation->told_count;
    enum status status =
        native_id_calibrate(&conversation->memory, pthreads, use, tids, tid_count, &offset);
    cr_assert_eq(status, STATUS_OK, "3.%u %s: %s", conversation->layout->minor, step,
                 status_name(status));
    for (unsigned i = 0; i < conversation->told_count; i++) {
        pid_t tid = 0;
        cr_expect_eq(native_id_read(&conversation->memory, offset, pthreads[i], &tid), STATUS_OK);
        if (conversation->told[i].native_id >= 0) {
            cr_expect_eq(tid, conversation->told[i].native_id, "3.%u %s: %d",
                         conversation->layout->minor, step, tid);
        }
    }
}

Test(native_id, every_thread) {
    for (const char *const *python = conversation_pythons(); *python != NULL; python++) {
        struct conversation *conversation = conversation_open(*python);
        expect_ids(conversation, "nothing", 1);
        expect_ids(conversation, "kinds_of_threads", 1);
        expect_ids(conversation, "nothing", 2);
        expect_ids(conversation, "crowd", TOLD_MAX);
        conversation_close(conversation);
    }
}

Test(native_id, forked_child) {
    for (const char *const *python = conversation_pythons(); *python != NULL; python++) {
        struct conversation *conversation = conversation_open(*python);
        pid_t tids[TIDS_MAX], tid = 0;
        uint32_t offset = 0;
        conversation_ask(conversation, "fork");
        uint64_t pthread = conversation->told[0].ident;
        size_t count = tasks_list(conversation->pid, tids);
        cr_assert_eq(native_id_calibrate(&conversation->memory, &pthread, 1, tids, count, &offset),
                     STATUS_OK);
        cr_expect_eq(native_id_read(&conversation->memory, offset, pthread, &tid), STATUS_OK);
        cr_expect_eq(tid, conversation->pid);
        conversation_close(conversation);
    }
}

/* A libc of the test's own making, in its own memory: structs of 4 KiB, each with its address
 * first. */
struct made {
    uint8_t *bytes;
    uint64_t pthreads[8];
    struct memory memory;
};

static struct made made_create(uint8_t word_size) {
    struct made made = {.memory = {.pid = getpid(), .word_size = word_size}};
    made.bytes = mmap(NULL, 9 * 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    cr_assert_neq(made.bytes, MAP_FAILED);
    for (unsigned i = 0; i < 8; i++) {
        made.pthreads[i] = (uintptr_t)made.bytes + i * 4096;
        memcpy(made.bytes + i * 4096, &made.pthreads[i], word_size);
    }
    return made;
}

static void made_set(const struct made *made, unsigned thread, uint32_t offset, pid_t tid) {
    memcpy(made->bytes + thread * 4096 + offset, &tid, sizeof tid);
}

Test(native_id, any_libc) {
    static const pid_t tids[] = {500, 501, 502, 503, 504};
    for (uint8_t word_size = 4; word_size <= 8; word_size = (uint8_t)(word_size + 4)) {
        struct made made = made_create(word_size);
        uint32_t offset = 0;
        pid_t tid = 0;
        for (unsigned i = 0; i < 5; i++) {
            made_set(&made, i, 0x1a4, tids[i]);
            made_set(&made, i, 0x1a8, 500); /* as the old glibc's pid */
        }
        made_set(&made, 5, 0x1a4, 0); /* has ended */
        cr_assert_eq(native_id_calibrate(&made.memory, made.pthreads, 6, tids, 5, &offset),
                     STATUS_OK);
        cr_expect_eq(offset, 0x1a4);
        cr_expect_eq(native_id_read(&made.memory, offset, made.pthreads[3], &tid), STATUS_OK);
        cr_expect_eq(tid, 503);
        cr_expect_eq(native_id_read(&made.memory, offset, made.pthreads[5], &tid), STATUS_ABSENT);
        cr_expect_eq(native_id_read(&made.memory, offset, made.pthreads[3] + 64, &tid),
                     STATUS_ABSENT, "not the address of a thread");
        cr_expect_eq(tid, 503, "outputs stay untouched");
    }
}

Test(native_id, ambiguous_until_there_are_more_threads) {
    static const pid_t tids[] = {500, 501};
    struct made made = made_create(8);
    uint32_t offset = 0;
    made_set(&made, 0, 0x100, 500);
    made_set(&made, 0, 0x104, 500);
    made_set(&made, 1, 0x100, 501);
    made_set(&made, 1, 0x104, 500);
    cr_expect_eq(native_id_calibrate(&made.memory, made.pthreads, 1, tids, 2, &offset),
                 STATUS_ABSENT);
    cr_expect_eq(native_id_calibrate(&made.memory, made.pthreads, 2, tids, 2, &offset), STATUS_OK);
    cr_expect_eq(offset, 0x100);
    /* A libc that we know needs no second thread. */
    made_set(&made, 0, 0x2d0, 500);
    cr_expect_eq(native_id_calibrate(&made.memory, made.pthreads, 1, tids, 2, &offset), STATUS_OK);
    cr_expect_eq(offset, 0x2d0);
    /* Where two could be, neither is. */
    made_set(&made, 0, 0x30, 500);
    cr_expect_eq(native_id_calibrate(&made.memory, made.pthreads, 1, tids, 2, &offset),
                 STATUS_ABSENT);
}

Test(native_id, too_few_fit) {
    static const pid_t tids[] = {500, 501, 502, 503};
    struct made made = made_create(8);
    uint32_t offset = 77;
    made_set(&made, 0, 0x100, 500);
    cr_expect_eq(native_id_calibrate(&made.memory, made.pthreads, 4, tids, 4, &offset),
                 STATUS_ABSENT);
    cr_expect_eq(native_id_calibrate(&made.memory, made.pthreads, 4, tids, 0, &offset),
                 STATUS_ABSENT);
    uint64_t nowhere[] = {0, 8, UINT64_MAX, UINT64_MAX - 4096, (uintptr_t)made.bytes + 9 * 4096};
    cr_expect_eq(native_id_calibrate(&made.memory, nowhere, 5, tids, 4, &offset), STATUS_ABSENT);
    cr_expect_eq(offset, 77, "outputs stay untouched");
}

/* A small struct at the end of memory, as musl's of the first thread can be. */
Test(native_id, memory_ends_behind_the_struct) {
    static const pid_t tids[] = {500};
    struct made made = made_create(8);
    cr_assert_eq(munmap(made.bytes + 8 * 4096, 4096), 0);
    uint64_t pthread = (uintptr_t)made.bytes + 8 * 4096 - 256;
    memcpy(made.bytes + 8 * 4096 - 256, &pthread, sizeof pthread);
    made_set(&made, 7, 4096 - 256 + 0x30, 500);
    uint32_t offset = 0;
    pid_t tid = 0;
    cr_expect_eq(native_id_calibrate(&made.memory, &pthread, 1, tids, 1, &offset), STATUS_OK);
    cr_expect_eq(offset, 0x30);
    cr_expect_eq(native_id_read(&made.memory, offset, pthread, &tid), STATUS_OK);
    cr_expect_eq(tid, 500);
}
