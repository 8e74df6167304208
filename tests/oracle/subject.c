#include "tests/oracle/subject.h"

#include <string.h>
#include <sys/uio.h>

#include "daemon/python/debug_offsets.h"

enum { THREADS_MAX = 10000 };

bool subject_read(const struct subject *subject, uint64_t address, void *out, size_t size) {
    struct iovec local = {out, size};
    struct iovec remote = {(void *)(uintptr_t)address, size};
    return process_vm_readv(subject->pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

uint64_t subject_word(const struct subject *subject, const void *bytes, uint32_t offset) {
    const char *at = (const char *)bytes + offset;
    if (subject->layout.word_size == 4) {
        uint32_t word;
        memcpy(&word, at, sizeof word);
        return word;
    }
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

bool subject_read_word(const struct subject *subject, uint64_t address, uint64_t *out) {
    uint64_t bytes = 0;
    if (!subject_read(subject, address, &bytes, subject->layout.word_size)) {
        return false;
    }
    *out = subject_word(subject, &bytes, 0);
    return true;
}

/* From 3.13 on the target says itself where the members are. */
static enum status layout_refine(struct subject *subject, struct error *error) {
    char table[4096];
    size_t size = debug_offsets_size(subject->layout.minor);
    if (size == 0) {
        return STATUS_OK;
    }
    if (size > sizeof table || !subject_read(subject, subject->runtime, table, size)) {
        return error_set(error, STATUS_CORRUPT, "process %d has no table of offsets", subject->pid);
    }
    bool free_threaded = false;
    return debug_offsets_apply(table, size, subject->layout.minor, subject->layout.word_size,
                               &subject->layout, &free_threaded, error);
}

/* Up to 3.10 a thread state does not know its native id: then it is the oldest one, the main
 * thread's. */
static enum status tstate_find(struct subject *subject, struct error *error) {
    const struct py_layout *layout = &subject->layout;
    uint64_t interpreter, tstate;
    if (!subject_read_word(subject, subject->runtime + layout->runtime.interpreters_head,
                           &interpreter) ||
        !subject_read_word(subject, interpreter + layout->interpreter.threads_head, &tstate)) {
        return error_set(error, STATUS_CORRUPT, "process %d has no interpreter", subject->pid);
    }
    for (int i = 0; tstate != 0 && i < THREADS_MAX; ++i) {
        uint64_t next, native = 0;
        if (!subject_read_word(subject, tstate + layout->thread.next, &next)) {
            break;
        }
        if (layout->thread.native_thread_id == LAYOUT_ABSENT) {
            native = next == 0 ? (uint64_t)subject->tid : 0;
        } else if (!subject_read_word(subject, tstate + layout->thread.native_thread_id, &native)) {
            break;
        }
        if (native == (uint64_t)subject->tid) {
            subject->tstate = tstate;
            return STATUS_OK;
        }
        tstate = next;
    }
    return error_set(error, STATUS_ABSENT, "process %d has no thread state of thread %d",
                     subject->pid, subject->tid);
}

enum status subject_find(struct subject *subject, pid_t pid, pid_t tid, struct error *error) {
    struct runtime_place place;
    enum status status = runtime_place_find(pid, &place, error);
    if (status != STATUS_OK) {
        return status;
    }
    const struct py_layout *row = layout_find(3, place.minor, place.word_size);
    if (row == NULL) {
        return error_set(error, STATUS_UNSUPPORTED, "no layout of CPython 3.%u", place.minor);
    }
    struct subject found = {.pid = pid, .tid = tid, .layout = *row, .runtime = place.address};
    if ((status = layout_refine(&found, error)) != STATUS_OK ||
        (status = tstate_find(&found, error)) != STATUS_OK) {
        return status;
    }
    *subject = found;
    return STATUS_OK;
}
