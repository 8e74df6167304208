#include "daemon/python/remote_offsets.h"

#include <stdbool.h>
#include <string.h>

#include "daemon/python/debug_offsets.h"
#include "daemon/python/debug_offsets_words.h"

/* cookie, version and free_threaded stand before the words, each of eight bytes. */
enum { HEAD_WORDS = 3, WORD_BYTES = 8, INT_BYTES = 4, ID_BYTES = 8 };

struct span {
    uint64_t at, size;
};

/* The value of the word of that name, which each table of 3.14 and later has once. */
static uint64_t word_find(const void *bytes, struct word_table table, const char *name) {
    for (size_t i = 0; i < table.count; ++i) {
        if (strcmp(table.words[i].name, name) == 0) {
            uint64_t value;
            memcpy(&value, (const uint8_t *)bytes + (HEAD_WORDS + i) * WORD_BYTES, sizeof value);
            return value;
        }
    }
    return UINT64_MAX;
}

static bool span_fits(struct span span, uint64_t align, uint64_t room) {
    return span.at <= room && span.size <= room - span.at &&
           (span.at & (align - 1)) == 0; /* align: a power of two */
}

static bool spans_meet(struct span a, struct span b) {
    return a.at < b.at + b.size && b.at < a.at + a.size;
}

/* Whether none of what is written to lies on top of another, or of a member that is known. */
static bool places_are_free(const struct span *places, size_t count,
                            const struct py_layout *layout) {
    const uint32_t members[] = {
        layout->thread.prev,
        layout->thread.next,
        layout->thread.interp,
        layout->thread.thread_id,
        layout->thread.native_thread_id,
        layout->thread.current_frame,
        layout->thread.datastack_chunk,
        layout->thread.datastack_top,
        layout->thread.datastack_limit,
        layout->thread.executor,
    };
    const struct span id = {layout->thread.id, ID_BYTES};
    for (size_t i = 0; i < count; ++i) {
        for (size_t j = 0; j < sizeof members / sizeof *members; ++j) {
            const struct span member = {members[j], layout->word_size};
            if (members[j] != LAYOUT_ABSENT && spans_meet(places[i], member)) {
                return false;
            }
        }
        for (size_t j = 0; j < i; ++j) {
            if (spans_meet(places[i], places[j])) {
                return false;
            }
        }
        if (spans_meet(places[i], id)) {
            return false;
        }
    }
    return true;
}

enum status remote_offsets_take(const void *bytes, size_t size, const struct py_layout *layout,
                                struct remote_offsets *out, struct error *error) {
    struct word_table table = debug_offsets_words(layout->minor);
    if (table.count == 0 || word_find(bytes, table, "debugger_script_path") == UINT64_MAX) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "CPython 3.%u cannot be asked to run a script: that came with 3.14",
                         layout->minor);
    }
    if (size < debug_offsets_size(layout->minor)) {
        return error_set(error, STATUS_CORRUPT, "its debug offsets are cut short");
    }
    const uint64_t word = layout->word_size;
    const uint64_t thread = word_find(bytes, table, "PyThreadState");
    const uint64_t interpreter = word_find(bytes, table, "PyInterpreterState");
    const uint64_t support = word_find(bytes, table, "remote_debugger_support");
    const uint64_t pending = word_find(bytes, table, "debugger_pending_call");
    const uint64_t path = word_find(bytes, table, "debugger_script_path");
    const uint64_t path_size = word_find(bytes, table, "debugger_script_path_size");
    const struct span remote_debug = {word_find(bytes, table, "remote_debugging_enabled"),
                                      INT_BYTES};
    const struct span threads_main = {word_find(bytes, table, "threads.main"), word};
    const struct span locked = {word_find(bytes, table, "_gil.locked"), INT_BYTES};
    const struct span holder = {word_find(bytes, table, "_gil.last_holder"), word};
    /* debug_offsets_apply has capped each of them: no sum can wrap. */
    const struct span places[] = {
        {word_find(bytes, table, "eval_breaker"), word},
        {support + pending, INT_BYTES},
        {support + path, path_size},
    };
    if (path_size < REMOTE_PATH_LEAST || path_size > REMOTE_PATH_MOST ||
        !span_fits(places[0], word, thread) || !span_fits(places[1], INT_BYTES, thread) ||
        !span_fits(places[2], 1, thread) || !places_are_free(places, 3, layout) ||
        !span_fits(remote_debug, INT_BYTES, interpreter) ||
        !span_fits(threads_main, word, interpreter) || !span_fits(locked, INT_BYTES, interpreter) ||
        !span_fits(holder, word, interpreter)) {
        return error_set(error, STATUS_CORRUPT,
                         "its debug offsets contradict themselves about remote debugging");
    }
    out->thread.size = (uint32_t)thread;
    out->thread.eval_breaker = (uint32_t)places[0].at;
    out->thread.pending_call = (uint32_t)places[1].at;
    out->thread.script_path = (uint32_t)places[2].at;
    out->thread.path_size = (uint32_t)path_size;
    out->interpreter.size = (uint32_t)interpreter;
    out->interpreter.remote_debug = (uint32_t)remote_debug.at;
    out->interpreter.threads_main = (uint32_t)threads_main.at;
    out->interpreter.gil_locked = (uint32_t)locked.at;
    out->interpreter.gil_holder = (uint32_t)holder.at;
    return STATUS_OK;
}
